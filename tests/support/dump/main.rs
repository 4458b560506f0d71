//! A frontend for tests only: it asks the stock frontend and another one for the same build, builds nothing of it, and
//! gives what both answered as one file, `dump.json`.
//!
//! The other frontend's image is the build argument `DUMP_FRONTEND`, which neither of them gets to see. Without it the
//! build is passed on to the stock frontend: what every frontend in an image costs, for the benchmark.

use std::{collections::BTreeMap, process::ExitCode, time::Duration};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use verified_dockerfile::{
    gateway::{BuildResult, Client, Error, Refs, Session, SolveRequest, Status},
    llb::build::{Graph, NewFile},
};

const PATIENCE: Duration = Duration::from_secs(120);
const OTHER: &str = "build-arg:DUMP_FRONTEND";

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let outcome = match (runtime, Session::from_env(std::env::vars_os())) {
        (Ok(runtime), Ok(session)) => runtime.block_on(run(&session)),
        (runtime, session) => Err(format!("{:?} {:?}", runtime.err(), session.err())),
    };
    match outcome {
        // The runtime may have a thread that still reads.
        Ok(()) => std::process::exit(0),
        Err(error) => {
            eprintln!("dump_llb: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(session: &Session) -> Result<(), String> {
    let client = Client::connect_stdio().await.map_err(in_words)?;
    let ended = match dump(&client, session).await {
        Ok(result) => client.return_result(result, PATIENCE).await,
        Err(error) => client.return_error(Status::new(error), PATIENCE).await,
    };
    ended.map(|_| ()).map_err(in_words)
}

async fn dump(client: &Client, session: &Session) -> Result<BuildResult, String> {
    let mut options = session.options.clone();
    let other = options.remove(OTHER);
    for name in ["source", "build-arg:BUILDKIT_SYNTAX"] {
        options.remove(name);
    }
    // With it the stock frontend does not look for another one in the file.
    options.insert("cmdline".to_owned(), other.clone().unwrap_or_default());
    let inputs = client.inputs(PATIENCE).await.map_err(in_words)?;
    let stock = SolveRequest::frontend("dockerfile.v0", options.clone(), inputs.clone());
    let stock = client.solve(stock, PATIENCE).await;
    let Some(other) = other else {
        return stock.map_err(in_words);
    };
    let stock = answer(stock);
    options.insert("source".to_owned(), other.clone());
    let ours = SolveRequest::frontend("gateway.v0", options, inputs);
    let ours = answer(client.solve(ours, PATIENCE).await);

    let dump = json!({ "stock": stock, "ours": ours }).to_string();
    let mut graph = Graph::default();
    let file = graph
        .files(&[NewFile::new("dump.json", dump.into_bytes())], "dump")
        .map_err(|error| error.to_string())?;
    let definition = graph.finish(&file).encode();
    client
        .solve(SolveRequest::definition(definition), PATIENCE)
        .await
        .map_err(in_words)
}

fn answer(result: Result<BuildResult, Error>) -> Value {
    let result = match result {
        Ok(result) => result,
        Err(error) => return json!({ "error": in_words(error) }),
    };
    let definitions: BTreeMap<String, String> = result
        .all_refs()
        .map(|(place, reference)| {
            let bytes = reference.definition.as_deref().unwrap_or_default();
            (place, BASE64_STANDARD.encode(bytes))
        })
        .collect();
    let metadata: BTreeMap<&String, String> = result
        .metadata
        .iter()
        .map(|(key, value)| (key, String::from_utf8_lossy(value).into_owned()))
        .collect();
    let several = matches!(result.refs, Refs::Map(_));
    json!({ "definitions": definitions, "metadata": metadata, "several": several })
}

fn in_words(error: Error) -> String {
    error.into_status().message
}
