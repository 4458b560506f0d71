//! The addresses of servers, while a step is recorded: from hosts files, and from the name servers that BuildKit gives to steps.
//!
//! The step itself has another name server, which is ours ([`super::names`]), so the C library cannot be asked.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
    time::Duration,
};

use rustls::crypto::ring;
use simple_dns::{
    CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, Question, RCODE, TYPE, rdata::RData,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpStream, UdpSocket},
    time::timeout,
};

use super::{names::HOME, url::is_local};
use crate::bounded;

/// The name of the file with name servers, beside the launcher; without it, the container's own counts.
pub const SERVERS: &str = "servers.conf";
/// The name of the file with the hosts that the build gives, beside the launcher.
pub const HOSTS: &str = "hosts";
/// Longest of these files, in bytes.
const MAX_FILE: u64 = 1 << 20;
/// How long a name server may take, and how often each is asked.
const PATIENCE: Duration = Duration::from_secs(5);
const ROUNDS: usize = 2;
/// The most name servers that are asked, as the C library does.
const MAX_SERVERS: usize = 3;
/// Longest answer over UDP that is read; a longer one comes over TCP.
const MAX_ANSWER: usize = 4096;

/// Who knows addresses.
#[derive(Clone, Debug, Default)]
pub struct Resolver {
    hosts: BTreeMap<String, Vec<IpAddr>>,
    servers: Vec<SocketAddr>,
    search: Vec<String>,
}

impl Resolver {
    /// From the files in `folder`, and those of the container. What cannot be read says nothing.
    #[must_use]
    pub fn read(folder: &Path) -> Self {
        let read = |path: &Path| {
            let file = File::open(path).ok()?;
            let bytes = bounded::read(file, MAX_FILE).ok()?;
            Some(String::from_utf8_lossy(&bytes).into_owned())
        };
        let hosts = [folder.join(HOSTS), "/etc/hosts".into()];
        let hosts: String = hosts.iter().filter_map(|path| read(path)).collect();
        let servers = [folder.join(SERVERS), "/etc/resolv.conf".into()];
        let servers = servers.iter().find_map(|path| read(path));
        Self::new(&hosts, &servers.unwrap_or_default())
    }

    /// From the texts of a hosts file and of a `resolv.conf`.
    #[must_use]
    pub fn new(hosts: &str, servers: &str) -> Self {
        let mut found = Self::default();
        for line in hosts.lines() {
            let mut words = words(line);
            let Some(address) = words.next().and_then(|word| word.parse().ok()) else {
                continue;
            };
            for name in words {
                let addresses = found.hosts.entry(normal(name)).or_default();
                if !addresses.contains(&address) {
                    addresses.push(address);
                }
            }
        }
        for line in servers.lines() {
            let mut words = words(line);
            match (words.next(), words.next()) {
                (Some("nameserver"), Some(address)) => {
                    // An address with a zone is on a network that only the host itself is in.
                    // Nor is asked who asks here.
                    if let Ok(address) = address.parse::<IpAddr>()
                        && address != HOME
                        && found.servers.len() < MAX_SERVERS
                    {
                        found.servers.push(SocketAddr::new(address, 53));
                    }
                }
                (Some("search" | "domain"), Some(first)) => {
                    found.search = std::iter::once(first).chain(words).map(normal).collect();
                }
                _ => {}
            }
        }
        found
    }

    /// The addresses of `name`; none if it does not exist.
    ///
    /// # Errors
    /// If no name server says anything about it.
    pub async fn find(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let name = normal(name);
        if let Ok(address) = name.parse() {
            return Ok(vec![address]);
        }
        if let Some(known) = self.hosts.get(&name) {
            return Ok(known.clone());
        }
        if is_local(&name) {
            return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
        }
        if !name.contains('.') {
            for suffix in &self.search {
                let found = self.lookup(&format!("{name}.{suffix}")).await?;
                if !found.is_empty() {
                    return Ok(found);
                }
            }
        }
        self.lookup(&name).await
    }

    async fn lookup(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let (four, six) = tokio::join!(self.records(name, TYPE::A), self.records(name, TYPE::AAAA));
        match (four, six) {
            (Ok(mut four), Ok(six)) => {
                four.extend(six);
                Ok(four)
            }
            // Some name servers know nothing of the other kind.
            (Ok(found), Err(_)) | (Err(_), Ok(found)) if !found.is_empty() => Ok(found),
            (Err(error), _) | (_, Err(error)) => Err(error),
        }
    }

    async fn records(&self, name: &str, kind: TYPE) -> io::Result<Vec<IpAddr>> {
        let mut last = io::Error::other(format!("there is no name server to ask for {name}"));
        for _ in 0..ROUNDS {
            for server in &self.servers {
                let asked = timeout(PATIENCE, ask(*server, name, kind)).await;
                match asked.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
                    Ok(found) => return Ok(found),
                    Err(error) => {
                        last = io::Error::other(format!("the name server {server}: {error}"));
                    }
                }
            }
        }
        Err(last)
    }
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    let line = line.split(['#', ';']).next().unwrap_or_default();
    line.split_whitespace()
}

/// As names are compared.
pub(super) fn normal(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

/// The addresses that `server` has for `name`.
async fn ask(server: SocketAddr, name: &str, kind: TYPE) -> io::Result<Vec<IpAddr>> {
    let mut id = [0; 2];
    let random = ring::default_provider().secure_random;
    random
        .fill(&mut id)
        .map_err(|_| io::Error::other("the system gives no randomness"))?;
    let id = u16::from_be_bytes(id);
    let mut query = Packet::new_query(id);
    query.set_flags(PacketFlag::RECURSION_DESIRED);
    let name = Name::new(name).map_err(io::Error::other)?;
    let (kind, class) = (QTYPE::TYPE(kind), QCLASS::CLASS(CLASS::IN));
    query
        .questions
        .push(Question::new(name, kind, class, false));
    let query = query.build_bytes_vec().map_err(io::Error::other)?;

    let own: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((own, 0)).await?;
    socket.connect(server).await?;
    socket.send(&query).await?;
    let mut answer = vec![0; MAX_ANSWER];
    loop {
        let length = socket.recv(&mut answer).await?;
        match addresses(answer.get(..length).unwrap_or_default(), id)? {
            Answer::Other => {}
            Answer::Addresses(found) => return Ok(found),
            Answer::Longer => break,
        }
    }
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(query.len()).map_err(io::Error::other)?;
    stream.write_all(&length.to_be_bytes()).await?;
    stream.write_all(&query).await?;
    let mut answer = vec![0; stream.read_u16().await?.into()];
    stream.read_exact(&mut answer).await?;
    match addresses(&answer, id)? {
        Answer::Addresses(found) => Ok(found),
        _ => Err(io::Error::other("its answer is cut off")),
    }
}

enum Answer {
    /// To some other question.
    Other,
    /// These.
    Addresses(Vec<IpAddr>),
    /// It does not fit.
    Longer,
}

fn addresses(message: &[u8], id: u16) -> io::Result<Answer> {
    let packet = Packet::parse(message).map_err(io::Error::other)?;
    if packet.id() != id || !packet.has_flags(PacketFlag::RESPONSE) {
        return Ok(Answer::Other);
    }
    if packet.has_flags(PacketFlag::TRUNCATION) {
        return Ok(Answer::Longer);
    }
    match packet.rcode() {
        RCODE::NoError | RCODE::NameError => {}
        other => return Err(io::Error::other(format!("{other:?}"))),
    }
    // A recursive server says where a name leads to in the same answer.
    let found = packet
        .answers
        .iter()
        .filter_map(|record| match &record.rdata {
            RData::A(four) => Some(IpAddr::from(Ipv4Addr::from(four.address))),
            RData::AAAA(six) => Some(IpAddr::from(Ipv6Addr::from(six.address))),
            _ => None,
        });
    Ok(Answer::Addresses(found.collect()))
}

/// Copies what name servers this container has into `folder`, and writes the hosts (`NAME=ADDRESS`) that the build gives.
///
/// # Errors
/// Whatever the file system says, or a host that is none.
pub fn write(folder: &Path, hosts: &[String]) -> io::Result<()> {
    fs::copy("/etc/resolv.conf", folder.join(SERVERS))?;
    let mut text = String::new();
    for host in hosts {
        let (name, address) = host
            .split_once('=')
            .ok_or_else(|| io::Error::other(format!("{host:?} is no NAME=ADDRESS")))?;
        let address: IpAddr = address.parse().map_err(io::Error::other)?;
        text.push_str(&format!("{address} {name}\n"));
    }
    fs::write(folder.join(HOSTS), text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(resolver: &Resolver, name: &str) -> io::Result<Vec<IpAddr>> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(resolver.find(name))
    }

    #[test]
    fn hosts_are_known_before_anybody_is_asked() {
        let hosts = "# none\n192.0.2.1 a.test A2.test\n2001:db8::1 a.test # more\nno address\n";
        let resolver = Resolver::new(hosts, "search x.test\nnameserver none\n");
        let addresses = |text: &[&str]| -> Vec<IpAddr> {
            text.iter().map(|text| text.parse().unwrap()).collect()
        };
        let both = addresses(&["192.0.2.1", "2001:db8::1"]);
        assert_eq!(find(&resolver, "A.test.").unwrap(), both);
        assert_eq!(
            find(&resolver, "a2.TEST").unwrap(),
            addresses(&["192.0.2.1"])
        );
        assert_eq!(
            find(&resolver, "192.0.2.7").unwrap(),
            addresses(&["192.0.2.7"])
        );
        let local = addresses(&["127.0.0.1", "::1"]);
        assert_eq!(find(&resolver, "localhost").unwrap(), local);
        // And nobody is, where there is nobody.
        assert!(find(&resolver, "b.test").is_err());
    }

    #[test]
    fn a_name_server_is_asked_and_its_answer_read() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let server = socket.local_addr().unwrap();
        std::thread::spawn(move || {
            let mut buffer = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                let query = Packet::parse(&buffer[..length]).unwrap();
                let asked = query.questions[0].clone();
                let mut reply = Packet::new_reply(query.id());
                let name = asked.qname.to_string();
                if name != "known.x.test" {
                    *reply.rcode_mut() = RCODE::NameError;
                } else if asked.qtype == QTYPE::TYPE(TYPE::A) {
                    let data = RData::A(Ipv4Addr::new(192, 0, 2, 8).into());
                    let record = simple_dns::ResourceRecord::new(asked.qname, CLASS::IN, 1, data);
                    reply.answers.push(record);
                }
                // An answer to another question comes first, and is passed over.
                let mut other = Packet::new_reply(query.id() ^ 1);
                *other.rcode_mut() = RCODE::Refused;
                for reply in [other, reply] {
                    let bytes = reply.build_bytes_vec().unwrap();
                    socket.send_to(&bytes, from).unwrap();
                }
            }
        });
        let mut resolver = Resolver::new("", "search x.test");
        resolver.servers.push(server);
        let address: IpAddr = "192.0.2.8".parse().unwrap();
        assert_eq!(find(&resolver, "known.x.test").unwrap(), [address]);
        assert_eq!(find(&resolver, "known").unwrap(), [address]);
        assert!(find(&resolver, "unknown.x.test").unwrap().is_empty());
    }
}
