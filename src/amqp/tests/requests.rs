use super::driver::Driver;
use super::frames::*;
use crate::model::{FieldTable, FieldValue};

fn arguments() -> FieldTable {
    let mut table = FieldTable::new();
    table.insert("a", FieldValue::I32(5));
    table
}

#[test]
fn every_method_with_its_arguments() {
    let args = arguments();
    let table = "arguments: FieldTable([(\"a\", I32(5))])";
    let cases = [
        (
            Args::new()
                .short(0)
                .text("x")
                .text("topic")
                .octet(0b10110)
                .table(&args)
                .method(1, 40, 10),
            format!(
                "ExchangeDeclare {{ exchange: \"x\", kind: \"topic\", passive: false, durable: true, auto_delete: true, \
                 internal: false, nowait: true, {table} }}"
            ),
        ),
        (
            Args::new().short(0).text("x").octet(1).method(1, 40, 20),
            "ExchangeDelete { exchange: \"x\", if_unused: true, nowait: false }".to_owned(),
        ),
        (
            Args::new()
                .short(0)
                .text("d")
                .text("s")
                .text("k")
                .octet(0)
                .table(&args)
                .method(1, 40, 30),
            format!("ExchangeBind {{ destination: \"d\", source: \"s\", routing_key: \"k\", nowait: false, {table} }}"),
        ),
        (
            Args::new()
                .short(0)
                .text("d")
                .text("s")
                .text("k")
                .octet(1)
                .table(&args)
                .method(1, 40, 40),
            format!(
                "ExchangeUnbind {{ destination: \"d\", source: \"s\", routing_key: \"k\", nowait: true, {table} }}"
            ),
        ),
        (
            Args::new()
                .short(0)
                .text("q")
                .octet(0b01010)
                .table(&args)
                .method(1, 50, 10),
            format!(
                "QueueDeclare {{ queue: \"q\", passive: false, durable: true, exclusive: false, auto_delete: true, \
                 nowait: false, {table} }}"
            ),
        ),
        (
            Args::new()
                .short(0)
                .text("q")
                .text("x")
                .text("k")
                .octet(0)
                .table(&args)
                .method(1, 50, 20),
            format!("QueueBind {{ queue: \"q\", exchange: \"x\", routing_key: \"k\", nowait: false, {table} }}"),
        ),
        (
            Args::new()
                .short(0)
                .text("q")
                .text("x")
                .text("k")
                .table(&args)
                .method(1, 50, 50),
            format!("QueueUnbind {{ queue: \"q\", exchange: \"x\", routing_key: \"k\", {table} }}"),
        ),
        (
            Args::new().short(0).text("q").octet(1).method(1, 50, 30),
            "QueuePurge { queue: \"q\", nowait: true }".to_owned(),
        ),
        (
            Args::new().short(0).text("q").octet(0b10).method(1, 50, 40),
            "QueueDelete { queue: \"q\", if_unused: false, if_empty: true, nowait: false }".to_owned(),
        ),
        (
            Args::new().long(0).short(10).octet(1).method(1, 60, 10),
            "BasicQos { prefetch_count: 10, global: true }".to_owned(),
        ),
        (
            Args::new()
                .short(0)
                .text("q")
                .text("t")
                .octet(0b0110)
                .table(&args)
                .method(1, 60, 20),
            format!(
                "BasicConsume {{ queue: \"q\", consumer_tag: \"t\", no_local: false, no_ack: true, exclusive: true, \
                 nowait: false, {table} }}"
            ),
        ),
        (
            Args::new().text("t").octet(1).method(1, 60, 30),
            "BasicCancel { consumer_tag: \"t\", nowait: true }".to_owned(),
        ),
        (
            Args::new().octet(1).method(1, 60, 110),
            "BasicRecover { asynchronous: false }".to_owned(),
        ),
        (
            Args::new().octet(1).method(1, 60, 100),
            "BasicRecover { asynchronous: true }".to_owned(),
        ),
        (Args::new().method(1, 90, 10), "TxSelect".to_owned()),
        (Args::new().method(1, 90, 20), "TxCommit".to_owned()),
        (Args::new().method(1, 90, 30), "TxRollback".to_owned()),
        (
            Args::new().octet(1).method(1, 85, 10),
            "ConfirmSelect { nowait: true }".to_owned(),
        ),
        (Args::new().octet(1).method(1, 20, 20), "ChannelFlow".to_owned()),
    ];
    let mut driver = Driver::running();
    for (bytes, request) in cases {
        assert_eq!(
            driver.feed(&bytes),
            [format!("Request {{ channel: 1, request: {request} }}")]
        );
    }
    assert!(driver.out.is_empty());
}

#[test]
fn settlements_and_gets() {
    let mut driver = Driver::running();
    let cases = [
        (
            ack(1, 9, true),
            "Settle { channel: 1, delivery_tag: 9, multiple: true, outcome: Ack }",
        ),
        (
            Args::new().tag(u64::MAX).octet(2).method(1, 60, 120),
            "Settle { channel: 1, delivery_tag: 18446744073709551615, multiple: false, outcome: Nack { requeue: true } }",
        ),
        (
            Args::new().tag(3).octet(1).method(1, 60, 120),
            "Settle { channel: 1, delivery_tag: 3, multiple: true, outcome: Nack { requeue: false } }",
        ),
        (
            Args::new().tag(3).octet(1).method(1, 60, 90),
            "Settle { channel: 1, delivery_tag: 3, multiple: false, outcome: Reject { requeue: true } }",
        ),
        (
            Args::new().short(0).text("q").octet(1).method(1, 60, 70),
            "Get { channel: 1, queue: \"q\", no_ack: true }",
        ),
    ];
    for (bytes, event) in cases {
        assert_eq!(driver.feed(&bytes), [event]);
    }
}
