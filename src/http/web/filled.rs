//! Forms as they are shown: what stands in the fields, and what is wrong with it. One that was refused comes again as it was typed,
//! with each mistake beside its field. Passwords do not come again.

use super::forms::Form;
use crate::error::{Error, Result};
use crate::http::reply;
use askama::filters::HtmlSafe;
use axum::http::StatusCode;
use std::fmt;

/// A form with what stands in it. `templates/_forms.html` shows it.
#[derive(Debug, Default)]
pub struct Filled {
    /// What stands in the fields.
    pub form: Form,
    mistakes: Vec<(&'static str, String)>,
    refused: Option<(StatusCode, String)>,
}

impl Filled {
    /// A form that nobody has sent yet.
    pub fn with(fields: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        Self::sent(Form::of(fields))
    }

    /// A form as it was sent.
    pub fn sent(form: Form) -> Self {
        Self { form, mistakes: Vec::new(), refused: None }
    }

    /// What stands in a field.
    pub fn text(&self, name: &str) -> &str {
        self.form.raw(name)
    }

    /// Whether a box is ticked, or an entry of a list chosen.
    pub fn is(&self, name: &str, value: &str) -> bool {
        self.form.all(name).any(|chosen| chosen == value)
    }

    /// Notes what is wrong with a field.
    pub fn wrong(&mut self, name: &'static str, why: impl Into<String>) {
        self.mistakes.push((name, why.into()));
    }

    /// Notes why the rules refused the whole. What a form cannot show goes on as an error: nobody is signed in, what it is about does
    /// not exist, or something broke.
    pub fn refuse(&mut self, error: Error) -> Result<()> {
        match error {
            Error::Unauthorized(_) | Error::NotFound(_) | Error::Internal(_) => Err(error),
            other => {
                self.refused = Some((reply::status(&other), capital(&other.to_string())));
                Ok(())
            }
        }
    }

    /// Notes why the rules refused a field: as [`Filled::refuse`], where it is known which one is to blame.
    pub fn refuse_field(&mut self, name: &'static str, error: Error) -> Result<()> {
        self.refuse(error)?;
        if let Some((status, words)) = self.refused.take() {
            self.wrong(name, words);
            self.refused = Some((status, String::new()));
        }
        Ok(())
    }

    /// Whether `wanted` was typed into the field `confirm`; if not, that is what is wrong.
    pub fn confirms(&mut self, wanted: &str) -> bool {
        let typed = self.text("confirm") == wanted || self.form.text("confirm") == wanted.trim();
        if !typed {
            self.wrong("confirm", format!("Type {wanted} to confirm. Nothing was done."));
        }
        typed
    }

    /// Whether nothing is wrong so far.
    pub fn is_good(&self) -> bool {
        self.mistakes.is_empty() && self.refused.is_none()
    }

    /// The status of the page that shows it.
    pub fn status(&self) -> StatusCode {
        match &self.refused {
            Some((status, _)) => *status,
            None if self.mistakes.is_empty() => StatusCode::OK,
            None => StatusCode::BAD_REQUEST,
        }
    }

    /// Why the whole was refused.
    pub fn refusal(&self) -> Option<&str> {
        self.refused.as_ref().map(|(_, words)| words.as_str()).filter(|words| !words.is_empty())
    }

    /// Every mistake with the field that has it.
    pub fn mistakes(&self) -> &[(&'static str, String)] {
        &self.mistakes
    }

    /// What is wrong with one field.
    pub fn mistake(&self, name: &str) -> Option<&str> {
        self.mistakes.iter().find(|(field, _)| *field == name).map(|(_, why)| why.as_str())
    }

    /// Whether one of these fields is wrong: then the part of the page that hides it is open.
    pub fn is_wrong(&self, names: &[&str]) -> bool {
        self.mistakes.iter().any(|(field, _)| names.contains(field))
    }

    /// The attributes that tell a screen reader of a field's hint and of what is wrong with it.
    pub fn about(&self, name: &str, hint: &str) -> About {
        let wrong = self.mistake(name).is_some();
        let hinted = (!hint.is_empty()).then(|| format!("{name}-hint"));
        let ids: Vec<String> = hinted.into_iter().chain(wrong.then(|| format!("{name}-error"))).collect();
        About { ids: ids.join(" "), wrong }
    }

    /// The same for a group of fields, whose hint and mistake belong to all of them.
    pub fn group(&self, name: &str, hint: &str) -> About {
        About { wrong: false, ..self.about(name, hint) }
    }
}

/// Attributes of a field. Names of fields are our own, so there is nothing to escape.
#[derive(Debug)]
pub struct About {
    ids: String,
    wrong: bool,
}

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.ids.is_empty() {
            write!(f, " aria-describedby=\"{}\"", self.ids)?;
        }
        f.write_str(if self.wrong { " aria-invalid=\"true\"" } else { "" })
    }
}

impl HtmlSafe for About {}

/// Sentences of the rules begin small where tools show them behind a colon.
pub fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_is_told_at_its_field() {
        let mut form = Filled::with([("name", "a b".to_owned()), ("box", "x".to_owned()), ("box", "y".to_owned())]);
        assert_eq!((form.status(), form.about("name", "").to_string()), (StatusCode::OK, String::new()));
        assert!(form.is("box", "y") && !form.is("box", "z"));
        form.wrong("name", "no spaces");
        assert_eq!(form.status(), StatusCode::BAD_REQUEST);
        assert_eq!(form.about("name", "x").to_string(), " aria-describedby=\"name-hint name-error\" aria-invalid=\"true\"");
        assert!(form.is_wrong(&["other", "name"]) && !form.is_good());
    }

    #[test]
    fn what_a_form_cannot_show_goes_on() {
        let mut form = Filled::default();
        assert!(form.refuse(Error::Unauthorized("x")).is_err() && form.refuse(Error::NotFound("x".into())).is_err());
        form.refuse_field("name", Error::Conflict("it exists".into())).unwrap();
        assert_eq!((form.status(), form.refusal(), form.mistake("name")), (StatusCode::CONFLICT, None, Some("It exists")));
        form.refuse(Error::Forbidden("not you".into())).unwrap();
        assert_eq!((form.status(), form.refusal()), (StatusCode::FORBIDDEN, Some("Not you")));
    }
}
