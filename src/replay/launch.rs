//! The launcher: starts the step's command unchanged, with the proxy beside it, and passes on how it ended.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fs, io,
    net::{Ipv4Addr, SocketAddr},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, atomic::AtomicUsize},
};

use rustix::process::{Pid, WaitOptions, WaitStatus};
use tokio::{
    net::{TcpListener, UdpSocket},
    sync::oneshot,
};

use super::{
    answer::{Answer, Player, Recorder},
    certificate::Authority,
    environment::{self, Variables},
    names::{HOME, Names},
    record::{self, MAX_BYTES, Recording},
    refusals::Refusals,
    resolver::Resolver,
    routes,
    serve::{self, Kind, Shared},
    store::{REPLAY, STEPS},
    trust,
    upstream::Upstream,
    url::Url,
};
use crate::{bounded, digest::Digest};

/// The name of the recording in its folder.
pub const RECORDING: &str = "recording.json";
/// The folder of the bodies beside it.
pub const BODIES: &str = "sha256";
/// Where the launcher puts the files that variables name. In memory in every container, and for every user.
pub const SETTINGS: &str = "/dev/shm/verified-dockerfile";
/// The port of the proxy, so that what a tool writes down of it is the same in every build.
const PORT: u16 = 41_141;
/// The ports at which programs that know of no proxy look for servers: HTTP, HTTPS, and keyservers. Users other than root may have them
/// where the launcher was given the capability.
const PORTS: [u16; 3] = [80, 443, 11_371];
/// The port of the name server.
const NAMES: u16 = 53;
/// The exit status of a step whose command is content, though it did not get all that it asked for.
pub const REFUSED: u8 = 86;
/// The exit status if nothing could be started.
pub const FAILED: u8 = 85;

/// What to do with the command's requests.
#[derive(Clone, Debug)]
pub enum Mode {
    /// Pass them on, and write them down into this folder, as of this step.
    Record(PathBuf, Digest),
    /// Answer them from this folder.
    Replay(PathBuf),
}

/// Where a step has the launcher. Below `/dev`, which is memory in every container, so that no trace of the place is in a layer.
pub const PLACE: &str = "/dev/verified-dockerfile";
/// The launcher when it records; its next argument is the step's key.
pub const RECORD: &str = "/dev/verified-dockerfile/record";
/// Where it puts what it records.
pub const RECORDS: &str = "/dev/verified-dockerfile/records";

/// What `arguments` ask of the launcher, if the program was started as one: by its name, which nothing else in a container has.
#[must_use]
pub fn asked(arguments: &[OsString]) -> Option<(Mode, &[OsString])> {
    let (program, rest) = arguments.split_first()?;
    if program.to_str() == Some(&format!("{PLACE}/{REPLAY}")) {
        return Some((Mode::Replay(PLACE.into()), rest));
    }
    let (step, command) = rest.split_first()?;
    let step = format!("sha256:{}", step.to_str()?).parse().ok()?;
    (program.to_str() == Some(RECORD)).then(|| (Mode::Record(RECORDS.into(), step), command))
}

/// Runs `command`, and gives the status to leave with.
#[must_use]
pub fn run(mode: &Mode, command: &[OsString], settings: &Path, own: Variables) -> u8 {
    match start(mode, command, settings, own) {
        Ok(status) => status,
        Err(error) => {
            eprintln!("verified-dockerfile: this step cannot be started: {error}");
            FAILED
        }
    }
}

fn start(mode: &Mode, command: &[OsString], settings: &Path, own: Variables) -> io::Result<u8> {
    // Neither memory nor descriptors are for the command's eyes, which may be the same user.
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    // Low ports, if the file gives them; what is started has them only if its user is root.
    if let Ok(mut sets) = rustix::thread::capabilities(None) {
        sets.effective = sets.permitted;
        let _ = rustix::thread::set_capabilities(None, sets);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(within(mode, command, settings, own))
}

async fn within(
    mode: &Mode,
    command: &[OsString],
    settings: &Path,
    own: Variables,
) -> io::Result<u8> {
    let authority = Arc::new(Authority::new().map_err(io::Error::other)?);
    let image = environment::authorities(&own);
    let mut ports = BTreeSet::from(PORTS);
    let (answer, names, refusals) = match mode {
        Mode::Record(folder, _) => {
            let resolver = Resolver::read(folder.parent().unwrap_or(folder));
            let resolver = Arc::new(resolver);
            let bodies = folder.join(BODIES);
            fs::create_dir_all(&bodies)?;
            let refusals = Arc::new(Refusals::new(
                &text(command),
                "a step that needs it can be given the network by a rule of the policy",
            ));
            let upstream = Upstream::new(&image, &own, Arc::clone(&resolver));
            let upstream = upstream.map_err(io::Error::other)?;
            let recorder = Recorder::new(upstream, bodies, Arc::clone(&refusals));
            let names = Names::outside(resolver, Arc::clone(&refusals));
            (Answer::Record(recorder), names, refusals)
        }
        Mode::Replay(folder) => {
            let recording = read(&folder.join(RECORDING))?;
            let refusals = Arc::new(Refusals::new(
                &recording.command,
                "if the step is right, record it again with `verified-dockerfile record`",
            ));
            let urls = recording.exchanges.iter();
            let urls = urls.filter_map(|exchange| Url::parse(&exchange.url).ok());
            ports.extend(urls.map(|url| url.port()));
            let names = Names::recorded(&recording, Arc::clone(&refusals));
            let player = Player::new(recording, folder.join(BODIES), Arc::clone(&refusals));
            (Answer::Replay(player), names, refusals)
        }
    };
    let listener = match TcpListener::bind((Ipv4Addr::LOCALHOST, PORT)).await {
        Ok(listener) => listener,
        Err(_) => TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?,
    };
    let proxy: SocketAddr = listener.local_addr()?;
    trust::fill(authority.pem());
    let variables = environment::prepare(settings, &authority, &image, &proxy.to_string(), &own)?;
    let shared = Arc::new(Shared {
        answer,
        authority,
        refusals,
        open: AtomicUsize::new(0),
    });
    tokio::spawn(serve::listen(listener, Kind::Proxy, Arc::clone(&shared)));
    for port in ports {
        if let Ok(listener) = TcpListener::bind((HOME, port)).await {
            tokio::spawn(serve::listen(listener, Kind::Direct, Arc::clone(&shared)));
        }
    }
    let names = Arc::new(names);
    if let Ok(udp) = UdpSocket::bind((HOME, NAMES)).await {
        let tcp = TcpListener::bind((HOME, NAMES)).await.ok();
        tokio::spawn(Arc::clone(&names).listen(udp, tcp));
    }
    let before = routes::missing();
    let status = child(command, &variables).await;
    shared.settle().await;
    let around = routes::missing().saturating_sub(before);
    if around > 0 && matches!(mode, Mode::Replay(_)) {
        shared.refusals.tell(
            &format!("{around} connections or packets to addresses outside"),
            "they went neither through the proxy nor to a name, and there is no network",
        );
    }
    // Nothing of it is in the image, but others may share the folder.
    let _ = fs::remove_dir_all(settings);
    let status = status?;
    if let (Mode::Record(folder, step), Answer::Record(recorder)) = (mode, &shared.answer) {
        let mut recording = Recording::new(step.clone(), &text(command));
        recorder.finish(&mut recording).await;
        names.finish(&mut recording);
        recording.check().map_err(io::Error::other)?;
        let json = recording.to_json().map_err(io::Error::other)?;
        let steps = folder.join(STEPS);
        fs::create_dir_all(&steps)?;
        fs::write(steps.join(format!("{}.json", step.hex())), json)?;
    }
    Ok(match (status, shared.refusals.count()) {
        (0, 0) => 0,
        (0, _) => REFUSED,
        (status, _) => status,
    })
}

fn text(command: &[OsString]) -> String {
    let words: Vec<_> = command.iter().map(|word| word.to_string_lossy()).collect();
    record::command(&words)
}

pub(super) fn read(path: &Path) -> io::Result<Recording> {
    let bytes = bounded::read(fs::File::open(path)?, MAX_BYTES)?;
    Recording::from_json(&bytes).map_err(io::Error::other)
}

/// Starts the command and waits until it ends; meanwhile orphans that fall to the first process of a container are seen off.
async fn child(command: &[OsString], variables: &[(String, String)]) -> io::Result<u8> {
    let (program, arguments) = command
        .split_first()
        .ok_or_else(|| io::Error::other("there is no command"))?;
    let mut child = Command::new(program);
    child.args(arguments).arg0(program);
    child.envs(variables.iter().map(|(name, value)| (name, value)));
    let child = match child.spawn() {
        Ok(child) => child,
        Err(error) => {
            eprintln!("verified-dockerfile: {program:?} cannot be run: {error}");
            return Ok(if error.kind() == io::ErrorKind::NotFound {
                127
            } else {
                126
            });
        }
    };
    let id = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let id = id.ok_or_else(|| io::Error::other("the command has no process id"))?;
    let (sender, receiver) = oneshot::channel();
    std::thread::spawn(move || {
        // Nobody waits any more if the runtime has gone.
        let _ = sender.send(wait(id));
    });
    receiver.await.map_err(io::Error::other)?
}

fn wait(id: Pid) -> io::Result<u8> {
    loop {
        match rustix::process::wait(WaitOptions::empty()) {
            Ok(Some((ended, status))) if ended == id => {
                if let Some(status) = code(status) {
                    return Ok(status);
                }
            }
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// As a shell would say it.
fn code(status: WaitStatus) -> Option<u8> {
    let exit = status
        .exit_status()
        .and_then(|status| u8::try_from(status).ok());
    let signal = status
        .terminating_signal()
        .and_then(|signal| u8::try_from(signal).ok());
    exit.or_else(|| signal.map(|signal| signal.saturating_add(128)))
}

/// The variables of this process that are text.
#[must_use]
pub fn variables() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}
