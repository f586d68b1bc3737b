//! Rendered descriptions, kept for a while: the same text is rendered once, however many look at it.

use super::visit::Visit;
use crate::error::Result;
use crate::limits;
use crate::pypi::Sha256;
use crate::render::description::{self, Description, Images};
use moka::future::Cache;
use serde_json::{Map, Value};
use std::sync::Arc;

/// By the digest of type and text.
#[derive(Debug)]
pub struct Descriptions(Cache<Sha256, Arc<str>>);

impl Default for Descriptions {
    fn default() -> Self {
        let weight = |_: &Sha256, html: &Arc<str>| u32::try_from(html.len()).unwrap_or(u32::MAX);
        Self(Cache::builder().max_capacity(limits::WEB_DESCRIPTIONS_BYTES).weigher(weight).build())
    }
}

impl Descriptions {
    /// The description in core metadata as HTML that is safe to put into a page; empty if there is none.
    pub async fn html(&self, visit: &Visit<'_>, metadata: &Map<String, Value>) -> Result<String> {
        let text = |key: &str| metadata.get(key).and_then(Value::as_str).map(str::to_owned);
        let (Some(words), markup) = (text("description"), text("description_content_type")) else { return Ok(String::new()) };
        // Where pictures are fetched, their addresses begin with the server's root, which not everybody reaches by the same path.
        let root = visit.shell.root.clone();
        let key = format!("{root} {}\n{words}", markup.as_deref().unwrap_or_default());
        let key = Sha256::of(key.as_bytes());
        if let Some(html) = self.0.get(&key).await {
            return Ok(html.to_string());
        }
        let site = visit.site.clone();
        let render = move || match &site.images {
            None => description::render(&words, markup.as_deref(), Images::Blocked),
            Some(images) => {
                let address = |url: &str| format!("{root}/{}", images.address(url));
                description::render(&words, markup.as_deref(), Images::Proxied(&address))
            }
        };
        let html: Arc<str> = with_note(tokio::task::spawn_blocking(render).await?).into();
        self.0.insert(key, html.clone()).await;
        Ok(html.to_string())
    }
}

/// Says so where the end of a description is missing.
fn with_note(description: Description) -> String {
    match description.cut {
        true => description.html + "<p class=\"muted\">It goes on: the whole description is in the files' metadata.</p>",
        false => description.html,
    }
}
