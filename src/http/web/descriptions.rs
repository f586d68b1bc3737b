//! Rendered descriptions, kept for a while: the same text is rendered once, however many look at it.

use crate::error::Result;
use crate::limits;
use crate::pypi::Sha256;
use crate::render::description::{self, Images};
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
    pub async fn html(&self, metadata: &Map<String, Value>) -> Result<String> {
        let text = |key: &str| metadata.get(key).and_then(Value::as_str).map(str::to_owned);
        let (Some(words), markup) = (text("description"), text("description_content_type")) else { return Ok(String::new()) };
        let key = Sha256::of(format!("{}\n{words}", markup.as_deref().unwrap_or_default()).as_bytes());
        if let Some(html) = self.0.get(&key).await {
            return Ok(html.to_string());
        }
        let render = move || description::render(&words, markup.as_deref(), Images::Blocked).html;
        let html: Arc<str> = tokio::task::spawn_blocking(render).await?.into();
        self.0.insert(key, html.clone()).await;
        Ok(html.to_string())
    }
}
