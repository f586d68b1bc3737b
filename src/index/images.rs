//! Pictures in descriptions, fetched by this server for its readers: they need not reach the internet, and whoever put the picture
//! there does not learn who looks at it.
//!
//! An address here is signed with a key of this installation, so that nobody can have this server fetch what no description
//! names. Only public addresses are asked. What is fetched is kept in memory for a while, and so is that there was nothing.

use super::core::Core;
use crate::db;
use crate::db::settings::Setting;
use crate::error::{Error, Result};
use crate::limits;
use crate::pypi::Sha256;
use crate::upstream::image::Image;
use crate::upstream::{Reach, UpstreamError};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use moka::Expiry;
use moka::future::Cache;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use url::Url;

/// Bytes of the key, a block of the hash, and of a signature: more than anybody can guess.
const KEY_BYTES: usize = 64;
const SIGNATURE_BYTES: usize = 16;

/// Fetches pictures.
pub struct Images {
    key: [u8; KEY_BYTES],
    reach: Reach,
    /// By the digest of the address.
    kept: Cache<Sha256, Answer>,
    turns: Semaphore,
}

impl std::fmt::Debug for Images {
    /// Without the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Images({} kept)", self.kept.entry_count())
    }
}

type Answer = std::result::Result<Image, UpstreamError>;

/// What was found is kept longer than that nothing was.
struct KeptFor;

impl Expiry<Sha256, Answer> for KeptFor {
    fn expire_after_create(&self, _: &Sha256, answer: &Answer, _: Instant) -> Option<Duration> {
        Some(if answer.is_ok() { limits::IMAGE_KEPT_FOR } else { limits::IMAGE_FAILURE_KEPT_FOR })
    }
}

impl Images {
    /// With the key of this installation, which all its nodes have; made now if there is none yet.
    pub async fn open(core: &Core) -> Result<Self> {
        let mut c = core.db.begin().await?;
        let mut new = [0; KEY_BYTES];
        getrandom::fill(&mut new).map_err(|error| Error::Internal(anyhow::anyhow!("no randomness: {error}")))?;
        // Another node may be about to do the same: whoever is first makes the key.
        db::settings::add(&mut c, Setting::ImageKey, &hex::encode(new)).await?;
        let known = db::settings::get(&mut c, Setting::ImageKey).await?;
        c.commit().await?;
        let key = known.as_deref().and_then(key_of);
        let key = key.ok_or_else(|| Error::Internal(anyhow::anyhow!("the setting image-key is not {KEY_BYTES} bytes in hex")))?;
        Ok(Self::new(key, Reach::Public))
    }

    /// With a key of one's own. Tests ask their own machine, which is not public.
    pub fn new(key: [u8; KEY_BYTES], reach: Reach) -> Self {
        let weigh = |_: &Sha256, answer: &Answer| {
            let bytes = answer.as_ref().map_or(0, |image| image.bytes.len());
            u32::try_from(bytes + limits::IMAGE_ENTRY_BYTES).unwrap_or(u32::MAX)
        };
        let kept = Cache::builder().max_capacity(limits::IMAGES_KEPT_BYTES).weigher(weigh).expire_after(KeptFor).build();
        Self { key, reach, kept, turns: Semaphore::new(limits::IMAGE_FETCHES_AT_ONCE) }
    }

    /// Where the picture at `url` is to be had here, as path and query below the server's root.
    pub fn address(&self, url: &str) -> String {
        let query: String = form_urlencoded::byte_serialize(url.as_bytes()).collect();
        format!("_/image/{}?url={query}", self.signature(url))
    }

    fn signature(&self, url: &str) -> String {
        URL_SAFE_NO_PAD.encode(&self.mac(url).finalize().into_bytes()[..SIGNATURE_BYTES])
    }

    fn mac(&self, url: &str) -> Hmac<sha2::Sha256> {
        let mut mac = <Hmac<sha2::Sha256> as KeyInit>::new(&self.key.into());
        mac.update(b"image\0");
        mac.update(url.as_bytes());
        mac
    }

    fn is_signed(&self, url: &str, signature: &str) -> bool {
        let given = URL_SAFE_NO_PAD.decode(signature).unwrap_or_default();
        given.len() == SIGNATURE_BYTES && self.mac(url).verify_truncated_left(&given).is_ok()
    }

    /// The picture at `url`, if a description here has shown it under this signature.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an address that is not signed, and offline; [`Error::BadGateway`] if its server does not give a picture.
    pub async fn image(&self, core: &Core, url: &str, signature: &str) -> Result<Image> {
        let parsed = Url::parse(url).ok().filter(|_| self.is_signed(url, signature));
        let parsed = parsed.ok_or_else(|| Error::NotFound("no description here shows this picture".into()))?;
        let key = Sha256::of(url.as_bytes());
        if core.rules.offline && !self.kept.contains_key(&key) {
            return Err(Error::NotFound("this server asks no others, and has no copy of this picture".into()));
        }
        let answer = self.kept.get_with(key, self.fetch(core, &parsed)).await;
        answer.map_err(|error| Error::BadGateway(error.to_string()))
    }

    async fn fetch(&self, core: &Core, url: &Url) -> Answer {
        // Never closed; were it, nobody would have to wait.
        let _turn = self.turns.acquire().await;
        core.upstream.fetch_image(url, self.reach).await
    }
}

fn key_of(text: &str) -> Option<[u8; KEY_BYTES]> {
    hex::decode(text).ok()?.try_into().ok()
}
