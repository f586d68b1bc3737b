//! todo
#[derive(Debug, clap::Args)]
pub struct Index {}
impl Index {
    pub async fn run(self) -> anyhow::Result<()> {
        Ok(())
    }
}
