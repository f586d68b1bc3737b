//! A browser: it fetches pages, signed in or not, fills in their forms as they stand there, and sends them as browsers do.

use super::shop::password_of;
use super::{Answer, Ask, Shop};
use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{BufferQueue, Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts};
use std::cell::RefCell;

/// What browsers ask for.
const ACCEPT: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

pub struct Browser<'a> {
    shop: &'a Shop,
    cookie: Option<String>,
}

impl<'a> Browser<'a> {
    /// Nobody's.
    pub fn nobody(shop: &'a Shop) -> Self {
        Self { shop, cookie: None }
    }

    /// One in which this user, whom the harness made, has signed in.
    pub async fn of(shop: &'a Shop, user: &str) -> Self {
        Self::with_password(shop, user, &password_of(user)).await
    }

    pub async fn with_password(shop: &'a Shop, user: &str, password: &str) -> Self {
        let answer = Self::nobody(shop).post("/_/login", &[("user", user), ("password", password)]).await.is(303);
        let cookie = answer.header("set-cookie").split(';').next().unwrap().to_owned();
        assert!(cookie.starts_with("cheeseshop_session="), "{cookie}");
        Self { shop, cookie: Some(cookie) }
    }

    /// One that has this session, wherever it was begun.
    pub fn with_session(shop: &'a Shop, secret: &str) -> Self {
        Self { shop, cookie: Some(format!("cheeseshop_session={secret}")) }
    }

    fn with_cookies(&self, ask: Ask, more: Option<&str>) -> Ask {
        let cookies: Vec<&str> = self.cookie.as_deref().into_iter().chain(more).collect();
        if cookies.is_empty() { ask } else { ask.header("cookie", &cookies.join("; ")) }
    }

    /// A visit of a page.
    pub fn get(&self, path: &str) -> Ask {
        self.with_cookies(self.shop.get(path).accept(ACCEPT), None)
    }

    /// A page that is there.
    pub async fn page(&self, path: &str) -> Page {
        Page::of(self.get(path).await.is(200))
    }

    /// A form with these fields, sent by one of the server's own pages.
    pub fn post(&self, path: &str, fields: &[(&str, &str)]) -> Ask {
        self.post_from("same-origin", path, fields)
    }

    /// A form that a page of somewhere sent: `cross-site`, for one.
    pub fn post_from(&self, site: &str, path: &str, fields: &[(&str, &str)]) -> Ask {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let ask = self.shop.post(path).accept(ACCEPT).header("sec-fetch-site", site);
        self.with_cookies(ask, None).header("content-type", "application/x-www-form-urlencoded").body(body)
    }

    /// The page that a form leads to, with the note that was left for it.
    pub async fn follow(&self, answer: Answer) -> Page {
        let answer = answer.is(303);
        let cookies = answer.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap());
        let note = cookies.filter_map(|cookie| cookie.split(';').next()).find(|pair| pair.starts_with("cheeseshop_note="));
        let ask = self.shop.get(answer.header("location")).accept(ACCEPT);
        Page::of(self.with_cookies(ask, note).await.is(200))
    }
}

/// A page, its forms read.
#[derive(Debug)]
pub struct Page {
    pub answer: Answer,
    forms: Vec<WebForm>,
}

impl Page {
    pub fn of(answer: Answer) -> Self {
        assert!(answer.header("content-type").starts_with("text/html"), "{answer:?}");
        let forms = forms(&answer.text());
        Self { answer, forms }
    }

    pub fn text(&self) -> String {
        self.answer.text()
    }

    /// Whether it says this: as a page's own words, or escaped as what others wrote.
    pub fn says(&self, words: &str) -> bool {
        let escaped =
            words.replace('&', "&#38;").replace('<', "&#60;").replace('>', "&#62;").replace('"', "&#34;").replace('\'', "&#39;");
        // Words that could be markup must be escaped.
        self.text().contains(&escaped) || !words.contains(['<', '>', '&']) && self.text().contains(words)
    }

    #[track_caller]
    pub fn must_say(&self, words: &str) {
        assert!(self.says(words), "the page does not say “{words}”:\n{}", self.text());
    }

    /// The form that is sent to this address.
    #[track_caller]
    pub fn form(&self, action: &str) -> WebForm {
        self.find(action, |_| true)
    }

    /// The one of several that has this in a hidden field.
    #[track_caller]
    pub fn form_with(&self, action: &str, name: &str, value: &str) -> WebForm {
        self.find(action, |form| form.fields.iter().any(|field| field.name == name && field.value == value))
    }

    #[track_caller]
    fn find(&self, action: &str, fits: impl Fn(&WebForm) -> bool) -> WebForm {
        let found = self.forms.iter().find(|form| form.action == action && form.method == "post" && fits(form));
        found.cloned().unwrap_or_else(|| panic!("no form to {action}: {:?}", self.actions()))
    }

    /// The addresses of all forms.
    pub fn actions(&self) -> Vec<&str> {
        self.forms.iter().map(|form| form.action.as_str()).collect()
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebForm {
    pub action: String,
    pub method: String,
    fields: Vec<Field>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Field {
    name: String,
    value: String,
    kind: Kind,
    /// Whether it is sent.
    on: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Hidden,
    Choice,
    Radio,
    Button,
}

impl WebForm {
    /// Types into a field, ticks a box or chooses an entry; there must be one.
    #[track_caller]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        let Some(place) =
            self.fields.iter().position(|field| field.name == name && (field.kind == Kind::Text || field.value == value))
        else {
            panic!("no field {name} that takes {value} in {self:?}");
        };
        match self.fields[place].kind {
            Kind::Text => self.fields[place].value = value.to_owned(),
            Kind::Radio => {
                for field in self.fields.iter_mut().filter(|field| field.name == name && field.kind == Kind::Radio) {
                    field.on = field.value == value;
                }
            }
            Kind::Choice | Kind::Button => self.fields[place].on = true,
            Kind::Hidden => panic!("{name} is hidden"),
        }
        self
    }

    /// Takes the tick off a box.
    #[track_caller]
    pub fn untick(mut self, name: &str, value: &str) -> Self {
        let field = self.fields.iter_mut().find(|field| field.name == name && field.value == value).expect("a box");
        field.on = false;
        self
    }

    /// What stands in a field: the first value that would be sent.
    #[track_caller]
    pub fn value(&self, name: &str) -> &str {
        let on = self.fields.iter().find(|field| field.name == name && field.on);
        on.map_or("", |field| field.value.as_str())
    }

    /// Everything that would be sent under a name.
    pub fn values(&self, name: &str) -> Vec<&str> {
        self.fields.iter().filter(|field| field.name == name && field.on).map(|field| field.value.as_str()).collect()
    }

    pub fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|field| field.name == name)
    }

    pub fn send(self, browser: &Browser<'_>) -> Ask {
        assert_eq!(self.method, "post");
        let fields: Vec<(&str, &str)> =
            self.fields.iter().filter(|field| field.on).map(|field| (field.name.as_str(), field.value.as_str())).collect();
        browser.post(&self.action, &fields)
    }
}

#[derive(Default)]
struct Reader {
    forms: Vec<WebForm>,
    open: bool,
    /// The text area or the entry of a list whose text is being read.
    reading: Option<Field>,
    select: Option<String>,
}

impl Reader {
    fn field(&mut self, name: &str, value: &str, kind: Kind, on: bool) {
        if let (true, Some(form)) = (self.open && !name.is_empty(), self.forms.last_mut()) {
            form.fields.push(Field { name: name.to_owned(), value: value.to_owned(), kind, on });
        }
    }

    fn start(&mut self, tag: &Tag) {
        let get = |name: &str| tag.attrs.iter().find(|attr| &*attr.name.local == name).map(|attr| attr.value.to_string());
        let text = |name: &str| get(name).unwrap_or_default();
        match &*tag.name {
            "form" => {
                self.forms.push(WebForm { action: text("action"), method: text("method"), fields: Vec::new() });
                self.open = true;
            }
            "input" => match text("type").as_str() {
                "checkbox" => self.field(&text("name"), &text("value"), Kind::Choice, get("checked").is_some()),
                "radio" => self.field(&text("name"), &text("value"), Kind::Radio, get("checked").is_some()),
                "hidden" => self.field(&text("name"), &text("value"), Kind::Hidden, true),
                _ => self.field(&text("name"), &text("value"), Kind::Text, true),
            },
            "button" => self.field(&text("name"), &text("value"), Kind::Button, false),
            "textarea" => self.reading = Some(Field { name: text("name"), value: String::new(), kind: Kind::Text, on: true }),
            "select" => self.select = get("name"),
            "option" => {
                if let Some(name) = self.select.clone() {
                    let on = get("selected").is_some();
                    self.reading = Some(Field { name, value: String::new(), kind: Kind::Radio, on });
                    if let Some(value) = get("value") {
                        self.finish();
                        if let Some(field) = self.forms.last_mut().and_then(|form| form.fields.last_mut()) {
                            field.value = value;
                        }
                    }
                }
            }
            _ => {}
        }
    }

    fn end(&mut self, name: &str) {
        match name {
            "form" => self.open = false,
            "textarea" | "option" => self.finish(),
            "select" => {
                // A list without a chosen entry has its first one chosen.
                let name = self.select.take().unwrap_or_default();
                if let Some(form) = self.forms.last_mut() {
                    let mut entries = form.fields.iter_mut().filter(|field| field.name == name);
                    if let Some(first) = entries.next()
                        && !first.on
                        && !entries.any(|field| field.on)
                    {
                        first.on = true;
                    }
                }
            }
            _ => {}
        }
    }

    fn finish(&mut self) {
        if let Some(field) = self.reading.take() {
            // The line end right behind the tag belongs to the markup.
            let value = field.value.strip_prefix('\n').unwrap_or(&field.value).to_owned();
            self.field(&field.name, &value, field.kind, field.on);
        }
    }
}

struct Sink(RefCell<Reader>);

impl TokenSink for Sink {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        let mut reader = self.0.borrow_mut();
        match token {
            Token::TagToken(tag) if tag.kind == TagKind::StartTag => {
                reader.start(&tag);
                if matches!(&*tag.name, "title" | "textarea") {
                    return TokenSinkResult::RawData(RawKind::Rcdata);
                }
            }
            Token::TagToken(tag) => reader.end(&tag.name),
            Token::CharacterTokens(text) => {
                if let Some(field) = &mut reader.reading {
                    field.value.push_str(&text);
                }
            }
            _ => {}
        }
        TokenSinkResult::Continue
    }
}

fn forms(html: &str) -> Vec<WebForm> {
    let tokenizer = Tokenizer::new(Sink(RefCell::default()), TokenizerOpts::default());
    let input = BufferQueue::default();
    input.push_back(StrTendril::from(html));
    let _ = tokenizer.feed(&input);
    tokenizer.end();
    tokenizer.sink.0.into_inner().forms
}
