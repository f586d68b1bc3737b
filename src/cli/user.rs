//! todo
#[derive(Debug, clap::Args)]
pub struct User {}
impl User {
    pub async fn run(self) -> anyhow::Result<()> {
        Ok(())
    }
}
