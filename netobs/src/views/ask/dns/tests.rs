//! Golden answers: one with records, one that says no.

use super::{Parts, json, short, text};
use crate::probes::dns::{
    Asked, Attempt, Ignored, Question, Record, Reply, Server, Trouble, Via, question,
};
use hickory_proto::{op::ResponseCode, rr::RecordType};
use std::{net::SocketAddr, time::Duration};

fn record(name: &str, ttl: u32, kind: &str, data: &str) -> Record {
    Record {
        name: name.to_owned(),
        ttl,
        class: "IN".to_owned(),
        kind: kind.to_owned(),
        data: data.to_owned(),
        address: None,
        target: None,
    }
}

fn attempt(result: impl FnOnce(SocketAddr) -> Result<Asked, Trouble>) -> Attempt {
    let addr = "10.0.0.1:53".parse().unwrap();
    Attempt {
        question: Question::new(question::name("a.example").unwrap(), RecordType::TXT),
        server: Server {
            addr,
            via: Via::Udp,
        },
        result: result(addr),
    }
}

fn asked(server: SocketAddr, status: ResponseCode, answers: Vec<Record>, soa: bool) -> Asked {
    let soa = soa.then(|| {
        record(
            "example.",
            900,
            "SOA",
            "ns.example. admin.example. 1 2 3 4 60",
        )
    });
    Asked {
        reply: Reply {
            id: 7,
            status,
            flags: vec!["qr", "aa"],
            edns: None,
            question: vec![("a.example.".to_owned(), "IN".to_owned(), "TXT".to_owned())],
            answers,
            authorities: soa.into_iter().collect(),
            additionals: Vec::new(),
            size: 99,
        },
        server,
        over: "udp",
        time: Duration::from_micros(1_230),
        connect: None,
        ignored: Ignored {
            wrong_id: 2,
            ..Ignored::default()
        },
        tls: None,
        was_truncated: false,
        tries: 1,
    }
}

#[test]
fn records_and_what_was_ignored() {
    let data = r#""a\027[31m""#;
    let answers = vec![record("a.example.", 300, "TXT", data)];
    let found = attempt(|server| Ok(asked(server, ResponseCode::NoError, answers, false)));
    let want = r#";; ->>HEADER<<- opcode: QUERY, status: NOERROR, id: 7
;; flags: qr aa; QUERY: 1, ANSWER: 1, AUTHORITY: 0, ADDITIONAL: 0

;; QUESTION SECTION:
;a.example.		IN	TXT

;; ANSWER SECTION:
a.example.	300	IN	TXT	"a\027[31m"

;; Query time: 1.23ms
;; SERVER: 10.0.0.1#53 (UDP)
;; MSG SIZE  rcvd: 99
;; 2 packets came that were no answer to this question: ignored
"#;
    assert_eq!(text(&found, Parts::ALL), want);
    assert_eq!(short(&found), format!("{data}\n"));
    let mut lines = Vec::new();
    json(&mut lines, &found, None, None);
    let want = concat!(
        r#"{"event":"dns","name":"a.example.","type":"TXT","server":"10.0.0.1:53","over":"udp","#,
        r#""status":"NOERROR","id":7,"flags":["qr","aa"],"time_us":1230,"connect_us":null,"#,
        r#""size":99,"truncated":false,"tries":1,"ignored":2,"edns":null,"answers":1,"#,
        r#""authorities":0,"additionals":0,"tls":null,"tls_trusted":null,"#,
        r#""text":"2 packets came that were no answer to this question: ignored"}"#,
        "\n",
        r#"{"event":"record","server":"10.0.0.1:53","section":"answer","name":"a.example.","#,
        r#""ttl":300,"class":"IN","type":"TXT","data":"\"a\\027[31m\""}"#,
        "\n"
    );
    assert_eq!(String::from_utf8(lines).unwrap(), want);
}

#[test]
fn a_no_and_no_answer() {
    let no = attempt(|server| Ok(asked(server, ResponseCode::NXDomain, Vec::new(), true)));
    let parts = Parts {
        stats: false,
        question: false,
        ..Parts::ALL
    };
    let want = r#";; ->>HEADER<<- opcode: QUERY, status: NXDOMAIN, id: 7
;; flags: qr aa; QUERY: 1, ANSWER: 0, AUTHORITY: 1, ADDITIONAL: 0

;; AUTHORITY SECTION:
example.	900	IN	SOA	ns.example. admin.example. 1 2 3 4 60

;; a.example. does not exist, says 10.0.0.1:53 for the zone example.; resolvers keep this "no" for 60 s
"#;
    assert_eq!(text(&no, parts), want);
    let silent = attempt(|server| {
        Err(Trouble::Timeout {
            server,
            waited: Duration::from_secs(10),
            tries: 2,
            ignored: Ignored::default(),
        })
    });
    let want = ";; 10.0.0.1:53 did not answer within 10 s, asked 2 times\n";
    assert_eq!(text(&silent, Parts::ALL), want);
}
