//! The rust-libp2p node that the lab attacks: the library as it comes, with
//! identify, ping and, where asked, a reservation at a relay. Its log goes to
//! stderr, in tracing-subscriber's default form, filtered by RUST_LOG.
//!
//! `victim --listen MULTIADDR... [--rcmgr on|off] [--relay MULTIADDR]`; the
//! first line of stdout is {"peer", "addrs", "version"}. rust-libp2p ships no
//! limits unless an application asks for some, so that --rcmgr changes nothing.

use std::{collections::HashSet, env, error::Error, time::Duration};

use futures::StreamExt;
use libp2p::{
    identify, identity::Keypair, multiaddr::Protocol, noise, ping, relay, swarm::NetworkBehaviour,
    swarm::SwarmEvent, tcp, tls, yamux, Multiaddr, Swarm, SwarmBuilder,
};
use tokio::signal::unix::{signal, SignalKind};
use tracing_subscriber::EnvFilter;

/// The version that Cargo.toml asks for; a test of the lab compares the two.
const VERSION: &str = "rust-libp2p 0.57.1";

#[derive(NetworkBehaviour)]
struct Behaviour {
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    relay: relay::client::Behaviour,
}

struct Options {
    listen: Vec<Multiaddr>,
    relay: Option<Multiaddr>,
}

fn options(mut args: impl Iterator<Item = String>) -> Result<Options, Box<dyn Error>> {
    let mut o = Options { listen: vec![], relay: None };
    while let Some(name) = args.next() {
        let value = args.next().ok_or_else(|| format!("{name} needs a value"))?;
        match (name.as_str(), value.as_str()) {
            ("--listen", v) => o.listen.push(v.parse()?),
            ("--relay", v) => o.relay = Some(v.parse()?),
            ("--rcmgr", "on" | "off") => {}
            _ => return Err(format!("unexpected {name} {value}").into()),
        }
    }
    Ok(o)
}

fn swarm() -> Result<Swarm<Behaviour>, Box<dyn Error>> {
    Ok(SwarmBuilder::with_existing_identity(Keypair::generate_ed25519())
        .with_tokio()
        .with_tcp(
            tcp::Config::default(),
            (noise::Config::new, tls::Config::new),
            yamux::Config::default,
        )?
        .with_quic()
        .with_relay_client(noise::Config::new, yamux::Config::default)?
        .with_behaviour(|key: &Keypair, relay| Behaviour {
            identify: identify::Behaviour::new(identify::Config::new(
                "/victim/1.0.0".into(),
                key.public(),
            )),
            ping: ping::Behaviour::default(),
            relay,
        })?
        // As long as an application with protocols of its own would keep them.
        .with_swarm_config(|c| c.with_idle_connection_timeout(Duration::from_secs(60)))
        .build())
}

/// Prints the first line once every listener has an address.
fn hello(swarm: &Swarm<Behaviour>) {
    let peer = *swarm.local_peer_id();
    let addrs: Vec<String> = swarm
        .listeners()
        .filter(|a| !a.iter().any(|p| p == Protocol::P2pCircuit))
        .map(|a| a.clone().with(Protocol::P2p(peer)).to_string())
        .collect();
    println!(
        "{}",
        serde_json::json!({"peer": peer.to_string(), "addrs": addrs, "version": VERSION})
    );
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    let options = options(env::args().skip(1))?;
    let mut swarm = swarm()?;
    let mut missing = HashSet::new();
    for addr in options.listen {
        missing.insert(swarm.listen_on(addr)?);
    }
    if let Some(relay) = options.relay {
        missing.insert(swarm.listen_on(relay.with(Protocol::P2pCircuit))?);
    }
    let mut end = signal(SignalKind::terminate())?;
    loop {
        tokio::select! {
            _ = end.recv() => return Ok(()),
            event = swarm.select_next_some() => match event {
                SwarmEvent::NewListenAddr { listener_id, .. } => {
                    if missing.remove(&listener_id) && missing.is_empty() {
                        hello(&swarm);
                    }
                }
                SwarmEvent::ListenerClosed { reason: Err(e), .. } => return Err(e.into()),
                _ => {}
            },
        }
    }
}
