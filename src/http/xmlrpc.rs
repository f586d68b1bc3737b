//! XML-RPC (the specification of 1999): calls read, answers written. Pure.
//!
//! What is read is from anybody: nesting is limited, entities that a document declares are never looked at, and a document that declares
//! anything is refused.

use crate::limits;
use quick_xml::escape::{escape, resolve_xml_entity};
use quick_xml::events::Event;
use quick_xml::{Reader, XmlVersion};
use serde_json::{Map, Number, Value};
use std::fmt::Write;

/// A call. Its values are those that JSON has; dates and bytes are text.
#[derive(Debug, Clone, PartialEq)]
pub struct MethodCall {
    /// What is called.
    pub method: String,
    /// With what.
    pub params: Vec<Value>,
}

/// Why a call has no result. The codes are those of the "Specification for Fault Code Interoperability".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// For programs.
    pub code: i32,
    /// For people.
    pub text: String,
}

impl Fault {
    /// The document is not XML, or not as it has to be.
    pub const NOT_WELL_FORMED: i32 = -32700;
    /// It is XML, but no call.
    pub const INVALID_CALL: i32 = -32600;
    /// There is no such method.
    pub const NO_METHOD: i32 = -32601;
    /// The parameters are not those of the method.
    pub const INVALID_PARAMETERS: i32 = -32602;

    /// A fault.
    pub fn new(code: i32, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }
}

/// An element: XML-RPC knows no attributes, and text only where nothing else is.
#[derive(Debug, Default)]
struct Element {
    name: String,
    text: String,
    children: Vec<Element>,
}

impl Element {
    fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }

    fn only(&self) -> Option<&Element> {
        self.children.first().filter(|_| self.children.len() == 1)
    }
}

/// Reads a call.
pub fn read(document: &str) -> Result<MethodCall, Fault> {
    let invalid = |text: &str| Fault::new(Fault::INVALID_CALL, text);
    let root = tree(document)?;
    if root.name != "methodCall" {
        return Err(invalid("a call is one methodCall"));
    }
    let method = root.child("methodName").ok_or_else(|| invalid("a call has a methodName"))?.text.trim().to_owned();
    let params = root.child("params").map_or(&[][..], |params| &params.children);
    let values = params.iter().map(|param| param.child("value").and_then(value));
    let params = values.collect::<Option<Vec<_>>>().ok_or_else(|| invalid("a parameter's value cannot be read"))?;
    Ok(MethodCall { method, params })
}

/// Reads a document into its elements.
fn tree(document: &str) -> Result<Element, Fault> {
    let broken = |text: &str| Fault::new(Fault::NOT_WELL_FORMED, text);
    let mut reader = Reader::from_str(document);
    // The last one is under way; what stands outside the root goes into the first.
    let mut open = vec![Element::default()];
    loop {
        let event = reader.read_event().map_err(|_| broken("this is not well-formed XML"))?;
        let Some(inner) = open.last_mut() else { return Err(broken("an element ends that has not begun")) };
        match event {
            Event::Start(start) => {
                if open.len() > limits::XMLRPC_DEPTH_MAX {
                    return Err(broken("elements stand too deep within one another"));
                }
                open.push(named(start.local_name().as_ref()));
            }
            Event::Empty(start) => inner.children.push(named(start.local_name().as_ref())),
            Event::End(_) => close(&mut open).ok_or_else(|| broken("an element ends that has not begun"))?,
            Event::Text(text) => {
                let text = text.xml_content(XmlVersion::Explicit1_0).map_err(|_| broken("a text is not UTF-8"))?;
                inner.text.push_str(&text);
            }
            Event::CData(text) => {
                let text = text.xml_content(XmlVersion::Explicit1_0).map_err(|_| broken("a text is not UTF-8"))?;
                inner.text.push_str(&text);
            }
            Event::GeneralRef(entity) => {
                let character = entity.resolve_char_ref().map_err(|_| broken("a character reference is none"))?;
                match character {
                    Some(character) => inner.text.push(character),
                    None => {
                        let name = entity.decode().map_err(|_| broken("an entity's name is not UTF-8"))?;
                        inner.text.push_str(resolve_xml_entity(&name).ok_or_else(|| broken("an entity is not known"))?);
                    }
                }
            }
            Event::DocType(_) => return Err(broken("a document type has no place in a call")),
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
            Event::Eof => break,
        }
    }
    let outermost = open.pop().filter(|_| open.is_empty()).ok_or_else(|| broken("the document breaks off"))?;
    let mut roots = outermost.children;
    roots.pop().filter(|_| roots.is_empty()).ok_or_else(|| Fault::new(Fault::INVALID_CALL, "a call is one methodCall"))
}

fn named(name: &[u8]) -> Element {
    Element { name: String::from_utf8_lossy(name).into_owned(), ..Element::default() }
}

/// Puts the innermost element into the one around it.
fn close(open: &mut Vec<Element>) -> Option<()> {
    let done = open.pop()?;
    open.last_mut()?.children.push(done);
    Some(())
}

/// Reads a `value`. As deep as elements may stand, no deeper.
fn value(element: &Element) -> Option<Value> {
    // Without a type it is a string.
    let Some(typed) = element.only() else {
        return element.children.is_empty().then(|| Value::String(element.text.clone()));
    };
    let text = typed.text.trim();
    Some(match typed.name.as_str() {
        "string" | "base64" | "dateTime.iso8601" => Value::String(typed.text.clone()),
        "int" | "i4" | "i8" => Value::Number(text.parse::<i64>().ok()?.into()),
        "double" => Value::Number(Number::from_f64(text.parse().ok()?)?),
        "boolean" => Value::Bool(text == "1"),
        "nil" => Value::Null,
        "array" => Value::Array(typed.child("data")?.children.iter().map(value).collect::<Option<_>>()?),
        "struct" => {
            let member = |member: &Element| Some((member.child("name")?.text.clone(), value(member.child("value")?)?));
            Value::Object(typed.children.iter().map(member).collect::<Option<Map<_, _>>>()?)
        }
        _ => return None,
    })
}

/// Writes the answer to a call.
pub fn write(outcome: &Result<Value, Fault>) -> String {
    let mut out = String::from("<?xml version='1.0' encoding='UTF-8'?>\n<methodResponse>\n");
    match outcome {
        Ok(value) => {
            out.push_str("<params><param>");
            write_value(&mut out, value);
            out.push_str("</param></params>\n");
        }
        Err(fault) => {
            out.push_str("<fault>");
            write_value(&mut out, &serde_json::json!({"faultCode": fault.code, "faultString": fault.text}));
            out.push_str("</fault>\n");
        }
    }
    out.push_str("</methodResponse>\n");
    out
}

fn write_value(out: &mut String, value: &Value) {
    out.push_str("<value>");
    // Writing to a string does not fail.
    let _ = match value {
        Value::Null => write!(out, "<nil/>"),
        Value::Bool(yes) => write!(out, "<boolean>{}</boolean>", u8::from(*yes)),
        Value::Number(number) if number.as_i64().is_some_and(|n| i32::try_from(n).is_ok()) => write!(out, "<int>{number}</int>"),
        Value::Number(number) => write!(out, "<double>{number}</double>"),
        Value::String(text) => write!(out, "<string>{}</string>", escape(legal(text))),
        Value::Array(items) => {
            out.push_str("<array><data>");
            items.iter().for_each(|item| write_value(out, item));
            write!(out, "</data></array>")
        }
        Value::Object(fields) => {
            out.push_str("<struct>");
            for (name, value) in fields {
                let _ = write!(out, "<member><name>{}</name>", escape(legal(name)));
                write_value(out, value);
                out.push_str("</member>");
            }
            write!(out, "</struct>")
        }
    };
    out.push_str("</value>\n");
}

/// The text without what XML 1.0 cannot hold, not even escaped.
fn legal(text: &str) -> String {
    let is_legal = |c: &char| !matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}');
    text.chars().filter(is_legal).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn call(value: &str) -> String {
        format!(
            "<?xml version='1.0'?>\n<methodCall><methodName>m</methodName><params><param>{value}</param></params></methodCall>"
        )
    }

    fn code(document: &str) -> i32 {
        read(document).unwrap_err().code
    }

    #[test]
    fn every_kind_of_value_is_read() {
        for (xml, expected) in [
            ("<value>plain &amp; &#x4d;&#117;&lt;</value>", json!("plain & Mu<")),
            ("<value></value>", json!("")),
            ("<value><string> kept <![CDATA[<as>]]> is </string></value>", json!(" kept <as> is ")),
            ("<value> <int> -3 </int> </value>", json!(-3)),
            ("<value><i8>9000000000</i8></value>", json!(9_000_000_000_i64)),
            ("<value><double>1.5</double></value>", json!(1.5)),
            ("<value><boolean>1</boolean></value>", json!(true)),
            ("<value><nil/></value>", json!(null)),
            ("<value><array><data><value>a</value>\n<value><string/></value></data></array></value>", json!(["a", ""])),
            (
                "<value><struct><member><name>n</name><value><array><data/></array></value></member></struct></value>",
                json!({"n": []}),
            ),
            ("<value><struct/></value>", json!({})),
        ] {
            assert_eq!(read(&call(xml)).unwrap().params, [expected], "{xml}");
        }
        let bare = read("<methodCall><methodName> search </methodName></methodCall>").unwrap();
        assert_eq!(bare, MethodCall { method: "search".into(), params: vec![] });
    }

    #[test]
    fn what_is_no_call_is_a_fault() {
        for document in [
            "",
            "text",
            "<methodCall>",
            "<methodCall></wrong>",
            "</methodCall>",
            "<methodCall><a></methodCall></a>",
            "<a>&#xD800;</a>",
            "<a>&unknown;</a>",
        ] {
            assert!([Fault::NOT_WELL_FORMED, Fault::INVALID_CALL].contains(&code(document)), "{document}");
        }
        for document in ["<methodCall/>", "<methodResponse/>", "<methodCall><methodName>m</methodName></methodCall><more/>"] {
            assert_eq!(code(document), Fault::INVALID_CALL, "{document}");
        }
        for value in [
            "<value><int>x</int></value>",
            "<value><unheard/></value>",
            "<value><int>1</int><int>2</int></value>",
            "",
            "<value><struct><member/></struct></value>",
        ] {
            assert_eq!(code(&call(value)), Fault::INVALID_CALL, "{value}");
        }
    }

    #[test]
    fn bombs_do_not_go_off() {
        let laughs = "<!DOCTYPE x [<!ENTITY a \"aaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;\">]><methodCall><methodName>&b;</methodName></methodCall>";
        assert_eq!(code(laughs), Fault::NOT_WELL_FORMED);
        let deep = |levels: usize| "<value><array><data>".repeat(levels) + &"</data></array></value>".repeat(levels);
        assert!(read(&call(&deep(9))).is_ok());
        assert_eq!(code(&call(&deep(10_000))), Fault::NOT_WELL_FORMED);
        assert_eq!(code(&"<a>".repeat(100_000)), Fault::NOT_WELL_FORMED);
    }

    #[test]
    fn answers_are_xml_whatever_is_in_them() {
        let answer = write(&Ok(json!([{"name": "<b>&\"'\u{1}ä", "n": 7, "big": 9_000_000_000_i64, "is": true, "no": null}])));
        insta::assert_snapshot!(answer, @r"
        <?xml version='1.0' encoding='UTF-8'?>
        <methodResponse>
        <params><param><value><array><data><value><struct><member><name>big</name><value><double>9000000000</double></value>
        </member><member><name>is</name><value><boolean>1</boolean></value>
        </member><member><name>n</name><value><int>7</int></value>
        </member><member><name>name</name><value><string>&lt;b&gt;&amp;&quot;&apos;ä</string></value>
        </member><member><name>no</name><value><nil/></value>
        </member></struct></value>
        </data></array></value>
        </param></params>
        </methodResponse>
        ");
        insta::assert_snapshot!(write(&Err(Fault::new(-32601, "no <method>"))), @r"
        <?xml version='1.0' encoding='UTF-8'?>
        <methodResponse>
        <fault><value><struct><member><name>faultCode</name><value><int>-32601</int></value>
        </member><member><name>faultString</name><value><string>no &lt;method&gt;</string></value>
        </member></struct></value>
        </fault>
        </methodResponse>
        ");
    }

    proptest! {
        #[test]
        fn any_document_is_judged_without_panic(document in ".*") {
            let _ = read(&document);
            let _ = read(&call(&document));
        }

        /// What is written is well-formed, and says what it was to say.
        #[test]
        fn texts_survive_the_way(text in ".*") {
            let answer = write(&Ok(json!(text)));
            let root = tree(&answer).unwrap();
            let read = value(&root.children[0].children[0].children[0]).unwrap();
            // XML's own rule for the ends of lines.
            let expected = legal(&text).replace("\r\n", "\n").replace('\r', "\n");
            prop_assert_eq!(read, json!(expected));
        }
    }
}
