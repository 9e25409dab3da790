//! A small rust-libp2p node that does nothing but log.
//!
//! `rust-node listen ADDR...`, `rust-node dial ADDR...` and `rust-node relay
//! ADDR...`; everything else comes from the environment (see README.md).

use std::{env, error::Error, time::Duration};

use futures::StreamExt;
use libp2p::{
    identify,
    identity::Keypair,
    multiaddr::Protocol,
    noise, ping, relay,
    swarm::{
        behaviour::toggle::Toggle, dial_opts::DialOpts, dial_opts::PeerCondition, ListenError,
        NetworkBehaviour, SwarmEvent,
    },
    tcp, tls, yamux, Multiaddr, PeerId, Swarm, SwarmBuilder,
};
use tracing_subscriber::EnvFilter;

#[derive(NetworkBehaviour)]
struct Behaviour {
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    relay_client: relay::client::Behaviour,
    relay_server: Toggle<relay::Behaviour>,
}

fn var(name: &str) -> Option<String> {
    env::var(name).ok().filter(|v| !v.is_empty())
}

/// LOG_FORMAT: full (the default), ansi, compact, json or pretty.
fn start_logging() {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .with_ansi(false);
    match var("LOG_FORMAT").as_deref() {
        Some("ansi") => builder.with_ansi(true).init(),
        Some("compact") => builder.compact().init(),
        Some("json") => builder.json().init(),
        Some("pretty") => builder.pretty().init(),
        _ => builder.init(),
    }
}

/// The key is made from one byte, so that a rerun has the same peer ids.
fn keypair() -> Keypair {
    let seed: u8 = var("SEED").and_then(|s| s.parse().ok()).unwrap_or(1);
    Keypair::ed25519_from_bytes([seed; 32]).expect("32 bytes")
}

/// SPOIL_RELAYED makes every handshake over a relay fail: the two sides' noise
/// prologues differ.
fn relay_noise(key: &Keypair) -> Result<noise::Config, noise::Error> {
    let prologue = var("SPOIL_RELAYED").unwrap_or_default().into_bytes();
    Ok(noise::Config::new(key)?.with_prologue(prologue))
}

fn swarm(mode: &str) -> Result<Swarm<Behaviour>, Box<dyn Error>> {
    let agent = var("AGENT").unwrap_or_else(|| "rust-node/0.0.0".into());
    let relaying = mode == "relay";
    Ok(SwarmBuilder::with_existing_identity(keypair())
        .with_tokio()
        .with_tcp(
            tcp::Config::default(),
            (noise::Config::new, tls::Config::new),
            yamux::Config::default,
        )?
        .with_quic()
        .with_relay_client(relay_noise, yamux::Config::default)?
        .with_behaviour(|key: &Keypair, relay_client| Behaviour {
            identify: identify::Behaviour::new(
                identify::Config::new("/node/1.0.0".into(), key.public())
                    .with_agent_version(agent.replace("\\n", "\n")),
            ),
            ping: ping::Behaviour::default(),
            relay_client,
            relay_server: relaying
                .then(|| relay::Behaviour::new(key.public().to_peer_id(), Default::default()))
                .into(),
        })?
        .with_swarm_config(|c| c.with_idle_connection_timeout(Duration::from_secs(5)))
        .build())
}

/// What applications print of a failed inbound connection. APP=avail has the
/// fields and the target of avail-light (core/src/network/p2p/event_loop.rs),
/// APP=lighthouse those of Lighthouse's and Grandine's network service,
/// APP=plain is the one-line println many small programs have, APP=chain the same
/// with every cause.
fn print_incoming_error(
    connection_id: impl std::fmt::Display,
    local_addr: &Multiaddr,
    send_back_addr: &Multiaddr,
    error: &ListenError,
) {
    match var("APP").as_deref() {
        Some("avail") => {
            let error_type = match error {
                ListenError::Aborted => "connection_aborted",
                ListenError::WrongPeerId { .. } => "peer_id_mismatch",
                ListenError::LocalPeerId { .. } => "self_connection_attempt",
                ListenError::Denied { .. } => "connection_denied_by_policy",
                ListenError::Transport(_) => "transport_error",
            };
            tracing::info!(
                target: "avail_light_core::network::p2p::event_loop",
                event_type = "INCOMING_CONNECTION_ERROR",
                error_type,
                %connection_id,
                %local_addr,
                %send_back_addr,
                %error,
                "Incoming connection error"
            )
        }
        Some("lighthouse") => tracing::debug!(
            target: "lighthouse_network::service",
            our_addr = %local_addr,
            from = %send_back_addr,
            error = error.to_string(),
            "Failed incoming connection"
        ),
        // The whole chain of causes, as anyhow's and eyre's {:#} print it.
        Some("chain") => {
            let mut text = error.to_string();
            let mut cause = error.source();
            while let Some(c) = cause {
                text = format!("{text}: {c}");
                cause = c.source();
            }
            tracing::warn!(from = %send_back_addr, error = %text, "incoming connection failed")
        }
        Some("plain") => eprintln!("Incoming connection error from {send_back_addr}: {error}"),
        _ => {}
    }
}

/// What applications print of identify: `%` is Display and keeps a newline,
/// `?` is Debug and escapes it.
fn print_identified(peer: PeerId, info: &identify::Info) {
    match var("APP_IDENTIFY").as_deref() {
        Some("display") => tracing::info!(%peer, agent = %info.agent_version, "identified"),
        Some("debug") => tracing::info!(%peer, agent = ?info.agent_version, "identified"),
        Some("str") => tracing::info!(%peer, agent = info.agent_version.as_str(), "identified"),
        Some("message") => tracing::info!("identified {peer} as {}", info.agent_version),
        _ => {}
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    start_logging();
    let mode = env::args().nth(1).unwrap_or_default();
    let mut swarm = swarm(&mode)?;
    let addrs: Vec<Multiaddr> = env::args()
        .skip(2)
        .map(|a| a.parse())
        .collect::<Result<_, _>>()?;
    if let Some(text) = var("ADVERTISE_DNS4") {
        // A listen address of the peer's own invention: nothing forbids a
        // newline in a DNS name.
        let mut evil = Multiaddr::empty();
        evil.push(Protocol::Dns4(text.replace("\\n", "\n").into()));
        evil.push(Protocol::Tcp(4001));
        swarm.add_external_address(evil);
    }
    for addr in addrs {
        match mode.as_str() {
            "dial" => swarm.dial(addr)?,
            "relay" => {
                swarm.add_external_address(addr.clone());
                swarm.listen_on(addr).map(|_| ())?
            }
            _ => swarm.listen_on(addr).map(|_| ())?,
        }
    }
    if let Some(addr) = var("ALSO_DIAL") {
        swarm.dial(addr.parse::<Multiaddr>()?)?;
    }
    loop {
        match swarm.select_next_some().await {
            SwarmEvent::IncomingConnectionError {
                connection_id,
                local_addr,
                send_back_addr,
                error,
                ..
            } => print_incoming_error(connection_id, &local_addr, &send_back_addr, &error),
            SwarmEvent::Behaviour(BehaviourEvent::Identify(identify::Event::Received {
                peer_id,
                info,
                ..
            })) => {
                print_identified(peer_id, &info);
                if var("DIAL_IDENTIFIED").is_some() {
                    // As Kademlia and peer exchange do with addresses they learn.
                    let opts = DialOpts::peer_id(peer_id)
                        .addresses(info.listen_addrs)
                        .condition(PeerCondition::Always)
                        .build();
                    let _ = swarm.dial(opts);
                }
            }
            _ => {}
        }
    }
}
