//! stub
/// x
pub enum Images { /// x
Blocked }
/// x
pub struct Description { /// x
pub html: String }
/// x
pub fn render(t: &str, _: Option<&str>, _: Images) -> Description { Description { html: format!("<pre>{}</pre>", t.replace('<',"&lt;")) } }
