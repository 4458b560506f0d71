mod client;
mod signatures;
