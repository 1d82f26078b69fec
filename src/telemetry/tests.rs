//! Contexts as W3C writes them, sampling, and the queue to the exporter.

use std::sync::Arc;
use std::time::Duration;

use crate::model::{FieldTable, FieldValue, Message, Properties, PropertiesView};

use super::{Handover, SpanQueue, TRACEPARENT, TraceContext, Tracer, TracingSettings, parse_headers};

fn settings(sample_ratio: f64, root_ratio: f64) -> TracingSettings {
    TracingSettings {
        endpoint: "http://collector:4318".to_owned(),
        headers: Vec::new(),
        ca_file: None,
        service_name: "warren".to_owned(),
        instance: "warren@test".to_owned(),
        sample_ratio,
        root_ratio,
        queue_max: 4,
        batch_max: 2,
        delay: Duration::ZERO,
        timeout: Duration::from_secs(1),
    }
}

fn tracer(sample_ratio: f64, root_ratio: f64) -> Tracer {
    let settings = settings(sample_ratio, root_ratio);
    let queue = Arc::new(SpanQueue::new(settings.queue_max, settings.batch_max));
    Tracer::new(&settings, queue, 7)
}

fn properties(headers: &[(&str, FieldValue)]) -> Vec<u8> {
    let headers: FieldTable = headers.iter().cloned().collect();
    let properties = Properties {
        headers: Some(headers),
        message_id: Some("m".into()),
        ..Properties::default()
    };
    properties.encode()
}

#[test]
fn contexts_are_read_as_w3c_writes_them() {
    let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let context = TraceContext::parse(good.as_bytes()).unwrap();
    assert_eq!(context.trace, 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c);
    assert_eq!((context.span, context.sampled), (0xb7ad_6b71_6920_3331, true));
    assert_eq!(context.to_string(), good);
    let of = |text: &str| TraceContext::parse(text.as_bytes());
    assert!(!of(&good.replace("-01", "-02")).unwrap().sampled, "another flag");
    assert!(
        of(&good.replace("-01", "-ff")).unwrap().sampled,
        "flags to come are let be"
    );
    assert!(
        of(&format!("01{}-more", &good[2..])).is_some(),
        "a later version may say more"
    );
    for bad in [
        String::new(),
        good[..54].to_owned(),
        format!("{good}-more"),
        format!("{good}x"),
        format!("ff{}", &good[2..]),
        format!("01{}x", &good[2..]),
        good.replace('a', "A"),
        good.replace("b7ad6b7169203331", "0000000000000000"),
        good.replace("0af7651916cd43dd8448eb211c80319c", "00000000000000000000000000000000"),
        good.replace("-b7", "_b7"),
        good.replace("01", "0g"),
    ] {
        assert_eq!(of(&bad), None, "{bad}");
    }
}

#[test]
fn a_context_is_written_where_the_old_one_stood() {
    let context = TraceContext {
        trace: 1,
        span: 2,
        sampled: true,
    };
    let old = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let more = [
        ("a", FieldValue::I32(1)),
        (TRACEPARENT, FieldValue::text(old)),
        ("tracestate", FieldValue::text("x=y")),
    ];
    let before = properties(&more);
    let after = context.written_into(&before);
    assert_eq!(TraceContext::of(PropertiesView::new(&after)), Some(context));
    assert_eq!(after.len(), before.len());
    let changed = before.iter().zip(&after).filter(|(a, b)| a != b).count();
    assert!(changed <= 48, "nothing but the ids: {changed}");
    // No header yet, one of another type or length, and no headers at all.
    for headers in [
        vec![("a", FieldValue::I32(1))],
        vec![(TRACEPARENT, FieldValue::I32(1))],
        vec![(TRACEPARENT, FieldValue::text("short"))],
    ] {
        let after = context.written_into(&properties(&headers));
        let view = PropertiesView::new(&after);
        assert_eq!(TraceContext::of(view), Some(context), "{headers:?}");
        assert_eq!(view.message_id(), Some(&b"m"[..]));
    }
    let after = context.written_into(&Properties::default().encode());
    assert_eq!(TraceContext::of(PropertiesView::new(&after)), Some(context));
}

#[test]
fn headers_that_cannot_be_read_are_no_context_and_stay() {
    // A table whose value has a type that does not exist.
    let mut faulty = properties(&[("a", FieldValue::I32(1))]);
    let at = faulty.iter().position(|byte| *byte == b'I').unwrap();
    faulty[at] = b'?';
    assert_eq!(TraceContext::of(PropertiesView::new(&faulty)), None);
    let context = TraceContext {
        trace: 1,
        span: 2,
        sampled: true,
    };
    assert_eq!(context.written_into(&faulty), faulty);
}

#[test]
fn a_ratio_keeps_its_share_of_traces_and_of_roots() {
    let half = tracer(0.5, 0.25);
    let kept = (0..1_000_u64).filter(|n| {
        let trace = u128::from(n.wrapping_mul(0x9E37_79B9_7F4A_7C15)) | 1 << 100;
        let text = format!("00-{trace:032x}-0000000000000001-01");
        half.sampled(PropertiesView::new(&properties(&[(
            TRACEPARENT,
            FieldValue::text(&text),
        )])))
        .is_some()
    });
    let kept = kept.count();
    assert!((450..550).contains(&kept), "{kept}");
    let message = Message::new("", "k", &Properties::default().encode(), &[b""]);
    let roots: Vec<_> = (0..1_000)
        .filter_map(|_| half.begin(message.properties()))
        .map(|begun| half.publish("/", &message, begun, std::iter::empty()))
        .collect();
    assert!((200..300).contains(&roots.len()), "{}", roots.len());
    for (_, rewritten) in &roots {
        assert!(
            half.sampled(rewritten.properties()).is_some(),
            "a root is one of those that are kept"
        );
    }
    let none = tracer(1.0, 0.0);
    assert!(none.begin(message.properties()).is_none());
}

#[test]
fn a_full_queue_drops_and_counts() {
    let tracer = tracer(1.0, 1.0);
    let message = Message::new("x", "k", &Properties::default().encode(), &[b"body"]);
    let begun = tracer.begin(message.properties()).unwrap();
    let (span, message) = tracer.publish("/", &message, begun, ["q"].into_iter());
    tracer.published(span);
    let handover = Handover {
        queue: "q",
        vhost: "/",
        consumer: Some("tag"),
        delivery_tag: 1,
        redelivered: false,
    };
    for _ in 0..4 {
        assert!(tracer.deliver(handover, &message, message.properties_bytes()).is_some());
    }
    let queue = tracer.queue();
    assert_eq!(
        queue.counts(),
        [4, 2, 0, 0],
        "route, publish and two deliveries have room"
    );
    assert_eq!(queue.take(Duration::ZERO).unwrap().len(), 2, "a batch");
    queue.note(2, true);
    queue.stop();
    let last = queue.take(Duration::from_secs(3_600)).unwrap();
    queue.note(last.len(), false);
    assert!(queue.take(Duration::from_secs(3_600)).is_none(), "stopped and empty");
    assert_eq!(queue.counts(), [4, 2, 2, 2]);
}

#[test]
fn endpoints_and_headers_are_checked() {
    let url = |endpoint: &str| {
        let mut settings = settings(1.0, 0.0);
        settings.endpoint = endpoint.to_owned();
        settings.url().ok()
    };
    for (endpoint, wanted) in [
        ("http://h:4318", Some("http://h:4318/v1/traces")),
        ("https://h/", Some("https://h/v1/traces")),
        ("http://h/otlp/v1/traces", Some("http://h/otlp/v1/traces")),
        ("h:4318", None),
        ("ftp://h", None),
        ("http://", None),
        ("http://a b", None),
    ] {
        assert_eq!(url(endpoint).as_deref(), wanted, "{endpoint}");
    }
    let headers = parse_headers("Authorization: Bearer a:b\n\n x-key : 1 \n").unwrap();
    assert_eq!(headers[0], ("Authorization".to_owned(), "Bearer a:b".to_owned()));
    assert_eq!(headers[1], ("x-key".to_owned(), "1".to_owned()));
    for bad in ["novalue", "name:", ": value", "a b: c", "name: é"] {
        let error = parse_headers(&format!("a: b\n{bad}")).unwrap_err();
        assert_eq!(error.to_string(), "tracing.headers, line 2: expected 'Name: value'");
    }
}
