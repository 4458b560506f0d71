//! The name server of a step, for tools that know of no proxy: every name that may be asked for leads to the launcher.
//!
//! The step has a `resolv.conf` that names it. While a step is recorded, a name exists if it does outside; in a build, if it
//! did then. Who asks for another one wants something that was not recorded.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::Ipv4Addr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use simple_dns::{
    CLASS, Packet, PacketFlag, QTYPE, RCODE, ResourceRecord, TYPE,
    rdata::{AAAA, RData},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, UdpSocket},
    sync::Semaphore,
    time::timeout,
};

use super::{
    record::{MAX_NAMES, Recording},
    refusals::Refusals,
    resolver::{Resolver, normal},
    url::{Url, is_local, is_name},
};

/// The address that all names have: of loopback, and not the one on which a step serves something itself.
pub const HOME: Ipv4Addr = Ipv4Addr::new(127, 41, 41, 41);
/// What a step has at `/etc/resolv.conf`. It is patient: names outside may take their time.
pub const RESOLV: &str = "nameserver 127.41.41.41\noptions timeout:25 attempts:2\n";
/// For how long an answer may be kept, in seconds.
const TTL: u32 = 60;
/// The most questions at a time; more are not answered.
const MAX_AT_ONCE: usize = 256;
/// Longest question, in bytes.
const MAX_QUESTION: usize = 4096;
/// How long a client may take over TCP.
const PATIENCE: Duration = Duration::from_secs(30);

/// Who says which names exist.
#[derive(Debug)]
enum Known {
    /// The name servers outside.
    Outside(Arc<Resolver>),
    /// What was recorded: those that exist, and those that do not.
    Recorded(BTreeSet<String>, BTreeSet<String>),
}

/// The name server.
#[derive(Debug)]
pub struct Names {
    known: Known,
    refusals: Arc<Refusals>,
    /// What was asked for, and whether it exists.
    asked: Mutex<BTreeMap<String, bool>>,
}

/// What there is to say of a name.
enum Said {
    /// It leads to the launcher.
    Here,
    /// It is the container itself.
    Local,
    /// It exists, and there is nothing of what was asked for.
    Nothing,
    /// It does not exist.
    Unknown,
    /// Nobody knows.
    Failed,
}

impl Names {
    /// While a step is recorded.
    #[must_use]
    pub fn outside(resolver: Arc<Resolver>, refusals: Arc<Refusals>) -> Self {
        Self::new(Known::Outside(resolver), refusals)
    }

    /// In a build.
    #[must_use]
    pub fn recorded(recording: &Recording, refusals: Arc<Refusals>) -> Self {
        let mut exist = recording.names.clone();
        exist.extend(hosts(recording));
        let known = Known::Recorded(exist, recording.unknown_names.clone());
        Self::new(known, refusals)
    }

    fn new(known: Known, refusals: Arc<Refusals>) -> Self {
        Self {
            known,
            refusals,
            asked: Mutex::default(),
        }
    }

    /// What was asked for, in `recording`, whose requests are there already.
    pub fn finish(&self, recording: &mut Recording) {
        let hosts = hosts(recording);
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, exists) in asked.iter().filter(|(name, _)| !hosts.contains(*name)) {
            let names = if *exists {
                &mut recording.names
            } else {
                &mut recording.unknown_names
            };
            names.insert(name.clone());
        }
    }

    /// Answers until the process ends.
    pub async fn listen(self: Arc<Self>, udp: UdpSocket, tcp: Option<TcpListener>) {
        let limit = Arc::new(Semaphore::new(MAX_AT_ONCE));
        if let Some(tcp) = tcp {
            tokio::spawn(Arc::clone(&self).listen_tcp(tcp, Arc::clone(&limit)));
        }
        let udp = Arc::new(udp);
        let mut buffer = vec![0; MAX_QUESTION];
        loop {
            let Ok((length, from)) = udp.recv_from(&mut buffer).await else {
                continue;
            };
            let question = buffer.get(..length).unwrap_or_default().to_vec();
            let Ok(permit) = Arc::clone(&limit).try_acquire_owned() else {
                continue;
            };
            let (names, udp) = (Arc::clone(&self), Arc::clone(&udp));
            tokio::spawn(async move {
                if let Some(answer) = names.answer(&question).await {
                    // Who has gone asks no more.
                    let _ = udp.send_to(&answer, from).await;
                }
                drop(permit);
            });
        }
    }

    async fn listen_tcp(self: Arc<Self>, tcp: TcpListener, limit: Arc<Semaphore>) {
        loop {
            let Ok((stream, _)) = tcp.accept().await else {
                tokio::time::sleep(Duration::from_millis(10)).await;
                continue;
            };
            let Ok(permit) = Arc::clone(&limit).acquire_owned().await else {
                return;
            };
            let names = Arc::clone(&self);
            tokio::spawn(async move {
                // What goes wrong on a connection is the client's to tell.
                let _ = timeout(PATIENCE, names.conversation(stream)).await;
                drop(permit);
            });
        }
    }

    async fn conversation(&self, mut stream: TcpStream) -> io::Result<()> {
        loop {
            let length = stream.read_u16().await?;
            let mut question = vec![0; length.into()];
            stream.read_exact(&mut question).await?;
            let Some(answer) = self.answer(&question).await else {
                return Ok(());
            };
            let length = u16::try_from(answer.len()).map_err(io::Error::other)?;
            stream.write_all(&length.to_be_bytes()).await?;
            stream.write_all(&answer).await?;
        }
    }

    /// The answer to a message; none to what is no question.
    pub async fn answer(&self, message: &[u8]) -> Option<Vec<u8>> {
        let query = Packet::parse(message).ok()?;
        if query.has_flags(PacketFlag::RESPONSE) {
            return None;
        }
        let question = query.questions.first()?.clone();
        let name = normal(&question.qname.to_string());
        let said = self.say(&name, question.qtype).await;
        let mut reply = Packet::new_reply(query.id());
        reply.set_flags(PacketFlag::RECURSION_AVAILABLE);
        if query.has_flags(PacketFlag::RECURSION_DESIRED) {
            reply.set_flags(PacketFlag::RECURSION_DESIRED);
        }
        let data = match (&said, question.qtype) {
            (Said::Here, QTYPE::TYPE(TYPE::A)) => Some(RData::A(HOME.into())),
            (Said::Local, QTYPE::TYPE(TYPE::A)) => Some(RData::A(Ipv4Addr::LOCALHOST.into())),
            (Said::Local, QTYPE::TYPE(TYPE::AAAA)) => Some(RData::AAAA(AAAA { address: 1 })),
            _ => None,
        };
        *reply.rcode_mut() = match said {
            Said::Unknown => RCODE::NameError,
            Said::Failed => RCODE::ServerFailure,
            Said::Here | Said::Local | Said::Nothing => RCODE::NoError,
        };
        let owner = question.qname.clone();
        let records = data.map(|data| ResourceRecord::new(owner, CLASS::IN, TTL, data));
        reply.answers.extend(records);
        reply.questions.push(question);
        reply.build_bytes_vec().ok()
    }

    async fn say(&self, name: &str, kind: QTYPE) -> Said {
        if is_local(name) {
            return Said::Local;
        }
        // Who has which address is asked in passing, by tools that want to name their peer.
        if name == "arpa" || name.ends_with(".arpa") || name.is_empty() {
            return Said::Unknown;
        }
        let refuse = |why: &str| {
            self.refusals.tell(&format!("the address of {name}"), why);
            Said::Unknown
        };
        if !is_name(name) {
            return refuse("this is no name of a host");
        }
        let addresses = matches!(kind, QTYPE::TYPE(TYPE::A | TYPE::AAAA) | QTYPE::ANY);
        match &self.known {
            Known::Recorded(exist, unknown) => {
                if exist.contains(name) {
                    Said::Here
                } else if !unknown.contains(name) {
                    refuse("this name is not in the step's recording")
                } else if addresses {
                    Said::Unknown
                } else {
                    Said::Nothing
                }
            }
            // Records of other kinds lead to other servers, and no tool needs them.
            Known::Outside(_) if !addresses => {
                self.note(name, false);
                Said::Nothing
            }
            Known::Outside(resolver) => match resolver.find(name).await {
                Ok(found) => {
                    let exists = !found.is_empty();
                    self.note(name, exists);
                    if exists { Said::Here } else { Said::Unknown }
                }
                Err(_) => {
                    self.note(name, false);
                    Said::Failed
                }
            },
        }
    }

    fn note(&self, name: &str, exists: bool) {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if asked.len() < MAX_NAMES {
            *asked.entry(name.to_owned()).or_default() |= exists;
        }
    }
}

/// The hosts of its requests.
fn hosts(recording: &Recording) -> BTreeSet<String> {
    let urls = recording.exchanges.iter();
    urls.filter_map(|exchange| Url::parse(&exchange.url).ok())
        .map(|url| normal(url.host()))
        .collect()
}

#[cfg(test)]
mod tests {
    use simple_dns::{Name, QCLASS, Question};

    use super::*;
    use crate::digest::Digest;

    fn ask(names: &Names, name: &str, kind: TYPE) -> (RCODE, Vec<String>) {
        let mut query = Packet::new_query(7);
        let (kind, class) = (QTYPE::TYPE(kind), QCLASS::CLASS(CLASS::IN));
        let question = Question::new(Name::new_unchecked(name), kind, class, false);
        query.questions.push(question);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let query = query.build_bytes_vec().unwrap();
        let answer = runtime.block_on(names.answer(&query)).unwrap();
        let answer = Packet::parse(&answer).unwrap();
        assert_eq!(answer.id(), 7);
        assert_eq!(answer.questions.len(), 1);
        let data = answer.answers.iter().map(|record| match &record.rdata {
            RData::A(four) => Ipv4Addr::from(four.address).to_string(),
            RData::AAAA(six) => std::net::Ipv6Addr::from(six.address).to_string(),
            other => format!("{other:?}"),
        });
        (answer.rcode(), data.collect())
    }

    fn refusals() -> Arc<Refusals> {
        Arc::new(Refusals::new("step", "next"))
    }

    #[test]
    fn what_was_recorded_leads_here_and_all_else_is_refused() {
        let mut recording = Recording::new(Digest::sha256(b"step"), "step");
        recording.names.insert("asked.test".into());
        recording.unknown_names.insert("none.test".into());
        let exchange = crate::replay::record::tests::exchange("https://files.test/a");
        recording.exchanges.push(exchange);
        let told = refusals();
        let names = Names::recorded(&recording, Arc::clone(&told));
        let here = (RCODE::NoError, vec![HOME.to_string()]);
        for name in ["files.test", "FILES.test", "asked.test"] {
            assert_eq!(ask(&names, name, TYPE::A), here, "{name}");
            let nothing = (RCODE::NoError, Vec::new());
            assert_eq!(ask(&names, name, TYPE::AAAA), nothing);
            assert_eq!(ask(&names, name, TYPE::TXT), nothing);
        }
        let local = |address: &str| (RCODE::NoError, vec![address.to_owned()]);
        assert_eq!(ask(&names, "localhost", TYPE::A), local("127.0.0.1"));
        assert_eq!(ask(&names, "localhost", TYPE::AAAA), local("::1"));
        let none = (RCODE::NameError, Vec::new());
        assert_eq!(ask(&names, "none.test", TYPE::A), none);
        assert_eq!(ask(&names, "1.2.0.192.in-addr.arpa", TYPE::PTR), none);
        assert_eq!(told.count(), 0);
        for (count, name) in [
            "more.test",
            "a.files.test",
            "test",
            "secret data.files.test",
        ]
        .into_iter()
        .enumerate()
        {
            assert_eq!(ask(&names, name, TYPE::A), none, "{name}");
            assert_eq!(told.count(), count + 1, "{name}");
        }
        assert_eq!(ask(&names, "more.test", TYPE::TXT), none);
        assert_eq!(told.count(), 5);
    }

    #[test]
    fn what_is_asked_for_is_recorded() {
        let resolver = Arc::new(Resolver::new("192.0.2.1 known.test files.test", ""));
        let told = refusals();
        let names = Names::outside(resolver, Arc::clone(&told));
        let here = (RCODE::NoError, vec![HOME.to_string()]);
        assert_eq!(ask(&names, "known.test", TYPE::A), here);
        assert_eq!(ask(&names, "files.test", TYPE::A), here);
        assert_eq!(
            ask(&names, "_s._tcp.known.test", TYPE::SRV).0,
            RCODE::NoError
        );
        assert_eq!(ask(&names, "none.test", TYPE::A).0, RCODE::ServerFailure);
        assert_eq!(told.count(), 0);
        let mut recording = Recording::new(Digest::sha256(b"step"), "step");
        let exchange = crate::replay::record::tests::exchange("http://files.test/");
        recording.exchanges.push(exchange);
        names.finish(&mut recording);
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(recording.names, set(&["known.test"]));
        let unknown = set(&["_s._tcp.known.test", "none.test"]);
        assert_eq!(recording.unknown_names, unknown);
        recording.check().unwrap();
    }

    #[test]
    fn what_is_no_question_gets_no_answer() {
        let names = Names::outside(Arc::default(), refusals());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let reply = Packet::new_reply(1).build_bytes_vec().unwrap();
        for message in [&b""[..], b"x", &[0; 12], &[0xff; 300], &reply] {
            assert_eq!(runtime.block_on(names.answer(message)), None, "{message:?}");
        }
    }
}
