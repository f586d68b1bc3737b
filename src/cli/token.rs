//! todo
#[derive(Debug, clap::Args)]
pub struct Token {}
impl Token {
    pub async fn run(self) -> anyhow::Result<()> {
        Ok(())
    }
}
