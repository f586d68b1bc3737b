//! How a line of the log looks, as text and as JSON.

use super::current;
use serde_json::{Map, Value, json};
use std::fmt;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::{DefaultFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// The fields of a line for people, and behind them the request that it belongs to.
pub(super) struct Fields;

impl<'writer> FormatFields<'writer> for Fields {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'writer>, fields: R) -> fmt::Result {
        DefaultFields::new().format_fields(writer.by_ref(), fields)?;
        match current() {
            Some(request) => write!(writer, " request={request}"),
            None => Ok(()),
        }
    }
}

/// A line for programs: one flat object with `time` (RFC 3339, UTC), `level`, `target`, `request` if there is one, `message`
/// and the line's own fields.
pub(super) struct Json;

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        let mut line = Line(Map::new());
        event.record(&mut line);
        let Line(mut line) = line;
        // Last, so that no field can take their place.
        line.insert("time".into(), time.into());
        line.insert("level".into(), event.metadata().level().as_str().into());
        line.insert("target".into(), event.metadata().target().into());
        if let Some(request) = current() {
            line.insert("request".into(), request.as_str().into());
        }
        writeln!(writer, "{}", Value::Object(line))
    }
}

struct Line(Map<String, Value>);

impl Line {
    fn set(&mut self, field: &Field, value: impl Into<Value>) {
        // What comes through the `log` crate repeats its target and place in fields of this name.
        if !field.name().starts_with("log.") {
            self.0.insert(field.name().into(), value.into());
        }
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field, json!(value));
    }
}

#[cfg(test)]
mod tests {
    use super::super::{RequestId, carry, within};
    use super::*;
    use std::future::poll_fn;
    use std::io::Write;
    use std::pin::pin;
    use std::sync::{Arc, Mutex};
    use tracing_subscriber::fmt::MakeWriter;

    /// Keeps what is written.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Kept {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    impl Kept {
        fn lines(&self) -> Vec<String> {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap().lines().map(str::to_owned).collect()
        }
    }

    /// A line outside any request, one in a request, one of a task that works for it, and one of a task that does not.
    async fn talk() {
        tracing::info!(count = 3, who = "user:alice", "it begins");
        let id = RequestId::parse("abc-1").unwrap();
        let mut work = pin!(async {
            tracing::warn!(error = %"broken", fine = false, "a request failed");
            tokio::spawn(carry(async { tracing::info!("work goes on") })).await.unwrap();
            tokio::spawn(async { tracing::info!("something else") }).await.unwrap();
        });
        poll_fn(|cx| within(&id, || work.as_mut().poll(cx))).await;
    }

    #[tokio::test]
    async fn text_ends_with_the_request() {
        let kept = Kept::default();
        let log = tracing_subscriber::fmt().with_writer(kept.clone()).with_ansi(false).fmt_fields(Fields).without_time().finish();
        let _held = tracing::subscriber::set_default(log);
        talk().await;
        let here = "cheeseshop::log::lines::tests";
        assert_eq!(
            kept.lines(),
            [
                format!(" INFO {here}: it begins count=3 who=\"user:alice\""),
                format!(" WARN {here}: a request failed error=broken fine=false request=abc-1"),
                format!(" INFO {here}: work goes on request=abc-1"),
                format!(" INFO {here}: something else"),
            ]
        );
    }

    #[tokio::test]
    async fn json_is_one_flat_object_a_line() {
        let kept = Kept::default();
        let log = tracing_subscriber::fmt().with_writer(kept.clone()).event_format(Json).finish();
        let _held = tracing::subscriber::set_default(log);
        talk().await;
        tracing::error!(level = "none", line = "a\nb", "quoted");
        let mut lines: Vec<Value> = kept.lines().iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        for line in &mut lines {
            let time = line.as_object_mut().unwrap().remove("time").unwrap();
            assert!(crate::pypi::Timestamp::parse(time.as_str().unwrap()).is_some(), "{time}");
        }
        let here = "cheeseshop::log::lines::tests";
        assert_eq!(
            lines,
            [
                json!({"level": "INFO", "target": here, "message": "it begins", "count": 3, "who": "user:alice"}),
                json!({"level": "WARN", "target": here, "message": "a request failed", "error": "broken", "fine": false, "request": "abc-1"}),
                json!({"level": "INFO", "target": here, "message": "work goes on", "request": "abc-1"}),
                json!({"level": "INFO", "target": here, "message": "something else"}),
                json!({"level": "ERROR", "target": here, "message": "quoted", "line": "a\nb"}),
            ]
        );
    }

    #[test]
    fn only_sane_names_are_taken_over() {
        for good in ["a", "1-5f3a9c21", "Root=1-6789:x/y+z@_."] {
            assert_eq!(RequestId::parse(good).unwrap().as_str(), good);
        }
        let long = "x".repeat(crate::limits::REQUEST_ID_BYTES_MAX + 1);
        for bad in ["", " ", "a b", "a\nb", "\"", "{}", "é", "a,b", long.as_str()] {
            assert!(RequestId::parse(bad).is_none(), "{bad}");
        }
        assert!(RequestId::parse(&long[1..]).is_some());
        let (one, two) = (RequestId::new(), RequestId::new());
        assert!(one != two && RequestId::parse(one.as_str()).is_some());
    }
}
