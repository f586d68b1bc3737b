//! placeholder
use super::visit::Visit;
use crate::error::{Error, Result};
use crate::http::reply::Reply;
/// x
pub async fn show(_visit: &Visit<'_>, _user: &str, _index: &str, project: &str, _version: Option<&str>) -> Result<Reply> {
    Err(Error::no_project(project))
}
