//! DNS messages in tcpdump's shorthand.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the data of most types is not shown, as in tcpdump"
)]

use super::{Lines, be16};
use hickory_proto::{
    op::{Message, Query},
    rr::{DNSClass, Name, RData, Record, RecordType},
    serialize::binary::{BinDecodable, BinDecoder},
};

const OPERATIONS: [&str; 6] = ["", " inv_q", " stat", " op3", " notify", " update"];
const RESPONSES: [&str; 12] = [
    "",
    " FormErr",
    " ServFail",
    " NXDomain",
    " NotImp",
    " Refused",
    " YXDomain",
    " YXRRSet",
    " NXRRSet",
    " NotAuth",
    " NotZone",
    " Resp11",
];
/// The bit that tells an answer from a question.
const RESPONSE: u16 = 0x8000;
/// In multicast DNS the top bit of a class asks for an answer by unicast, or flushes caches.
const TOP: u16 = 0x8000;

/// Questions and answers as far as they can be read, of so many of each.
fn beginning(data: &[u8], [questions, answers]: [u16; 2]) -> (Vec<Query>, Vec<Record>) {
    const HEADER: usize = 12;
    let mut decoder = BinDecoder::new(data);
    let (mut queries, mut records) = (Vec::new(), Vec::new());
    if decoder.read_slice(HEADER).is_err() {
        return (queries, records);
    }
    for _ in 0..questions {
        match Query::read(&mut decoder) {
            Ok(query) => queries.push(query),
            Err(_) => return (queries, records),
        }
    }
    for _ in 0..answers {
        match Record::read(&mut decoder) {
            Ok(record) => records.push(record),
            Err(_) => break,
        }
    }
    (queries, records)
}

impl Lines<'_> {
    pub(super) fn dns(&mut self, data: &[u8], length: usize, multicast: bool) {
        let (Some(id), Some(flags)) = (be16(data, 0), be16(data, 2)) else {
            self.cut("domain");
            return;
        };
        let count = |index: usize| be16(data, 4 + 2 * index);
        let (Some(questions), Some(answers), Some(authorities), Some(additionals)) =
            (count(0), count(1), count(2), count(3))
        else {
            self.cut("domain");
            return;
        };
        let message = Message::from_vec(data).ok();
        let operation = usize::from(flags >> 11 & 15);
        self.number(id);
        match OPERATIONS.get(operation) {
            Some(name) => self.say(name),
            None => _ = self.text.put(format_args!(" op{operation}")),
        }
        let is_question = flags & RESPONSE == 0;
        if is_question {
            self.question_flags(flags);
            let counts = [
                (answers, 0, "a"),
                (questions, 1, "q"),
                (authorities, 0, "n"),
                (additionals, 0, "au"),
            ];
            for (count, usual, letter) in counts {
                if count != usual {
                    self.text.put(format_args!(" [{count}{letter}]"));
                }
            }
        } else {
            self.answer_flags(flags, message.as_ref());
            if questions != 1 {
                self.text.put(format_args!(" [{questions}q]"));
            }
            if let Some(message) = message.as_ref().filter(|_| self.shown.verbose > 1) {
                self.asked(message, multicast);
            }
            self.text
                .put(format_args!(" {answers}/{authorities}/{additionals}"));
        }
        if let Some(message) = message {
            self.sections(&message, is_question, multicast);
        } else {
            self.beginning(data, is_question, [questions, answers], multicast);
            return self.cut("domain");
        }
        self.text.put(format_args!(" ({length})"));
    }

    fn sections(&mut self, message: &Message, is_question: bool, multicast: bool) {
        if is_question {
            self.queries(&message.queries, multicast);
        } else {
            self.records("", &message.answers, multicast);
        }
        if self.shown.verbose > 1 {
            self.records(" ns:", &message.authorities, multicast);
            self.records(" ar:", &message.additionals, multicast);
            self.options(message);
        }
    }

    fn asked(&mut self, message: &Message, multicast: bool) {
        for query in &message.queries {
            self.say(" q:");
            self.query(
                query.query_type().into(),
                query.query_class,
                &query.name,
                multicast,
            );
        }
    }

    /// Of a message that is cut off, or has a record that cannot be read.
    fn beginning(&mut self, data: &[u8], is_question: bool, counts: [u16; 2], multicast: bool) {
        let (queries, records) = beginning(data, counts);
        if is_question {
            self.queries(&queries, multicast);
        } else {
            self.records("", &records, multicast);
        }
    }

    fn queries(&mut self, queries: &[Query], multicast: bool) {
        for query in queries {
            self.query(
                query.query_type().into(),
                query.query_class,
                &query.name,
                multicast,
            );
        }
    }

    /// The record that carries options; the crate takes it out of the others.
    fn options(&mut self, message: &Message) {
        let Some(edns) = &message.edns else { return };
        self.say(if message.additionals.is_empty() {
            " ar:"
        } else {
            ","
        });
        self.text
            .put(format_args!(" . OPT UDPsize={}", edns.max_payload()));
        if edns.flags().dnssec_ok {
            self.say(" DO");
        }
    }

    fn question_flags(&mut self, flags: u16) {
        if flags & 0x0100 != 0 {
            self.say("+");
        }
        if flags & 0x0010 != 0 {
            self.say("%");
        }
        if flags & 0x06cf != 0 {
            self.text.put(format_args!(" [b2&3=0x{flags:x}]"));
        }
    }

    fn answer_flags(&mut self, flags: u16, message: Option<&Message>) {
        let extended = message.and_then(|message| message.edns.as_ref());
        let high = extended.map_or(0, |edns| u16::from(edns.rcode_high()));
        let code = flags & 15 | high << 4;
        match RESPONSES.get(usize::from(code)) {
            Some(name) => self.say(name),
            None => _ = self.text.put(format_args!(" Resp{code}")),
        }
        for (set, letter) in [
            (flags & 0x0400 != 0, "*"),
            (flags & 0x0080 == 0, "-"),
            (flags & 0x0200 != 0, "|"),
            (flags & 0x0020 != 0, "$"),
        ] {
            if set {
                self.say(letter);
            }
        }
    }

    fn query(&mut self, kind: u16, class: DNSClass, name: &Name, multicast: bool) {
        self.say(" ");
        self.record_type(kind);
        let class = u16::from(class);
        let plain = if multicast { class & !TOP } else { class };
        self.class(plain);
        if multicast {
            self.say(if class & TOP != 0 { " (QU)" } else { " (QM)" });
        }
        self.say("? ");
        self.name(name);
    }

    fn records(&mut self, head: &str, records: &[Record], multicast: bool) {
        for (index, record) in records.iter().enumerate() {
            self.say(if index > 0 { "," } else { head });
            if self.shown.verbose > 0 {
                self.say(" ");
                self.name(&record.name);
            }
            let class = u16::from(record.dns_class);
            self.class(if multicast { class & !TOP } else { class });
            if multicast && class & TOP != 0 {
                self.say(" (Cache flush)");
            }
            if self.shown.verbose > 2 {
                self.text.put(format_args!(" [{}s]", record.ttl));
            }
            self.say(" ");
            self.record_type(record.record_type().into());
            self.data(&record.data);
        }
    }

    fn class(&mut self, class: u16) {
        match class {
            1 => {}
            3 => self.say(" CHAOS"),
            255 => self.say(" ANY"),
            254 => self.say(" NONE"),
            class => _ = self.text.put(format_args!(" (Class {class})")),
        }
    }

    fn record_type(&mut self, kind: u16) {
        let kind = RecordType::from(kind);
        if let RecordType::Unknown(n) = kind {
            self.text.put(format_args!("Type{n}"));
        } else {
            self.text.put(format_args!("{kind}"));
        }
    }

    fn name(&mut self, name: &Name) {
        if name.is_root() {
            self.say(".");
        }
        // Services have names for people, with blanks in them.
        for label in name {
            self.text.escaped(label);
            self.say(".");
        }
    }

    fn data(&mut self, data: &RData) {
        match data {
            RData::A(addr) => _ = self.text.put(format_args!(" {}", addr.0)),
            RData::AAAA(addr) => _ = self.text.put(format_args!(" {}", addr.0)),
            RData::CNAME(name) => self.named(&name.0),
            RData::NS(name) => self.named(&name.0),
            RData::PTR(name) => self.named(&name.0),
            RData::MX(mx) => {
                self.named(&mx.exchange);
                self.text.put(format_args!(" {}", mx.preference));
            }
            RData::SRV(srv) => {
                self.named(&srv.target);
                self.text.put(format_args!(
                    ":{} {} {}",
                    srv.port, srv.priority, srv.weight
                ));
            }
            RData::TXT(txt) => {
                for part in &txt.txt_data {
                    self.say(" \"");
                    self.text.escaped(part);
                    self.say("\"");
                }
            }
            RData::SOA(soa) if self.shown.verbose > 0 => {
                self.named(&soa.mname);
                self.named(&soa.rname);
                self.text.put(format_args!(
                    " {} {} {} {} {}",
                    soa.serial, soa.refresh, soa.retry, soa.expire, soa.minimum
                ));
            }
            _ => {}
        }
    }

    fn named(&mut self, name: &Name) {
        self.say(" ");
        self.name(name);
    }
}
