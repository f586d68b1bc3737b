//! Pushing a release to another server, by the forms that twine sends. It cannot be one transaction, so every step is told.
//!
//! Whoever asks for it must be signed in, and only root may have addresses asked that are not public: else anybody could
//! make this server post to machines behind its firewall.

use super::Parcel;
use crate::error::{Error, Result};
use crate::index::access::Caller;
use crate::index::core::Core;
use crate::pypi::{Sha256, filename_guess, metadata_form};
use crate::secret::Secret;
use crate::upstream::Reach;
use crate::upstream::post::{Account, Form, FormFile, Posted};
use futures_util::StreamExt;
use url::Url;

/// Where to push, as who.
#[derive(Debug)]
pub struct Target {
    /// The upload address, such as `https://index.example/legacy/`.
    pub url: String,
    /// User there.
    pub user: String,
    /// Password or token there.
    pub password: Secret,
    /// Whether to make the release known before its files are sent (`:action=submit`).
    pub register: bool,
}

/// One form that was sent, and what became of it.
#[derive(Debug)]
pub struct Sent {
    /// What it was about.
    pub form: SentForm,
    /// The status and the words of the other server; or why there are none.
    pub outcome: Result<Posted, String>,
}

/// What a form was about.
#[derive(Debug)]
pub enum SentForm {
    /// The release itself.
    Registration,
    /// A release file: its name and digest.
    File(String, Sha256),
    /// The documentation.
    Docs,
}

impl Sent {
    /// Whether the other server took it. Registering is done with for servers that say so (410), as PyPI does.
    pub fn is_good(&self) -> bool {
        match &self.outcome {
            Ok(posted) => {
                matches!(posted.status, 200 | 201) || posted.status == 410 && matches!(self.form, SentForm::Registration)
            }
            Err(_) => false,
        }
    }
}

/// Sends the parcel, form by form, until one is refused.
pub async fn push(core: &Core, caller: &Caller, target: &Target, parcel: &Parcel) -> Result<Vec<Sent>> {
    if caller.is_anonymous() {
        return Err(Error::Unauthorized("Sign in to push to another server"));
    }
    let url = Url::parse(&target.url).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let url = url.ok_or_else(|| Error::BadRequest(format!("posturl '{}' is not an http or https address", target.url)))?;
    let reach = if caller.is_admin() || core.rules.private_mirrors { Reach::Anywhere } else { Reach::Public };
    let account = Account { user: &target.user, password: target.password.reveal() };
    let mut sent = Vec::new();
    for form in forms(target, parcel) {
        let encoded = encode(core, parcel, &form).await?;
        let outcome = core.upstream.post(&url, reach, &account, encoded).await.map_err(|error| error.to_string());
        sent.push(Sent { form, outcome });
        if sent.last().is_some_and(|last| !last.is_good()) {
            break;
        }
    }
    Ok(sent)
}

fn forms(target: &Target, parcel: &Parcel) -> Vec<SentForm> {
    let registration = target.register.then_some(SentForm::Registration);
    let files = parcel.files.iter().map(|file| SentForm::File(file.filename.clone(), file.blob.sha256));
    let docs = parcel.docs.iter().map(|_| SentForm::Docs);
    registration.into_iter().chain(files).chain(docs).collect()
}

async fn encode(core: &Core, parcel: &Parcel, form: &SentForm) -> Result<Form> {
    let mut fields = vec![("protocol_version".to_owned(), "1".to_owned())];
    let mut field = |name: &str, value: &str| fields.push((name.into(), value.into()));
    let file = match form {
        SentForm::Registration => {
            field(":action", "submit");
            None
        }
        SentForm::File(name, sha256) => {
            field(":action", "file_upload");
            field("filetype", filename_guess::packagetype(name));
            field("pyversion", filename_guess::python_version(name));
            field("sha256_digest", &sha256.hex());
            let row = parcel.files.iter().find(|file| file.filename == *name).map(|file| &file.blob);
            if let Some(md5) = row.and_then(|row| row.md5.as_ref()) {
                field("md5_digest", &hex::encode(md5));
            }
            if let Some(blake2) = row.and_then(|row| row.blake2.as_ref()) {
                field("blake2_256_digest", &hex::encode(blake2));
            }
            Some((name.clone(), *sha256))
        }
        SentForm::Docs => {
            field(":action", "doc_upload");
            parcel.docs.as_ref().map(|docs| (format!("{}.zip", parcel.display_name), docs.sha256))
        }
    };
    fields.extend(metadata_form::to_form(&parcel.metadata));
    for (name, value) in [("name", &parcel.display_name), ("version", &parcel.version)] {
        if !fields.iter().any(|(known, _)| known == name) {
            fields.push((name.to_owned(), value.clone()));
        }
    }
    let file = match file {
        Some((name, sha256)) => Some(form_file(core, name, sha256).await?),
        None => None,
    };
    Ok(Form { fields, file })
}

async fn form_file(core: &Core, name: String, sha256: Sha256) -> Result<FormFile> {
    let blob = core.blobs.open(&sha256).await?;
    let blob = blob.ok_or_else(|| Error::Internal(anyhow::anyhow!("the blob {sha256} of {name} is missing")))?;
    let size = blob.size;
    Ok(FormFile { name, size, bytes: blob.stream(0..size).boxed() })
}
