//! What goes at once arrives: once, in order, and without anything else happening.
#![cfg(all(feature = "client", feature = "server"))]
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anocm_core::{
    Payload, RelayUrl,
    transport::{Link, Transport},
};
use anocm_ws::{
    client::{WsOptions, WsTransport},
    server::{ListenOptions, Listener, WsServerOptions, router},
};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::sync::{Notify, mpsc};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    },
};

struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

async fn links(tls: bool) -> (Box<dyn Link>, Box<dyn Link>) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let (give, mut taken) = mpsc::unbounded_channel();
    let accept = move |link: Box<dyn Link>| {
        let give = give.clone();
        async move { drop(give.send(link)) }
    };
    let options = WsServerOptions { max_first_frame: 0, ..WsServerOptions::default() };
    let routes = router(accept, options);
    let address = "127.0.0.1:0".parse().unwrap();
    let listener = Listener::bind(address, ListenOptions::default()).await.unwrap();
    let port = listener.address().unwrap().port();
    let never = std::future::pending();
    let url = if tls {
        tokio::spawn(listener.serve_wrapped(move |tcp| acceptor.accept(tcp), routes, never));
        format!("https://localhost:{port}/")
    } else {
        tokio::spawn(listener.serve(routes, never));
        format!("http://127.0.0.1:{port}/")
    };
    let options = WsOptions { extra_roots: vec![cert.der().clone()], ..WsOptions::default() };
    let transport = WsTransport::new(&RelayUrl::parse(&url).unwrap(), options).unwrap();
    let near = transport.connect().await.unwrap();
    (near, taken.recv().await.unwrap())
}

async fn run(tls: bool, rounds: u64, seed: u64) {
    let (near, far) = links(tls).await;
    let (near, far): (Arc<dyn Link>, Arc<dyn Link>) = (Arc::from(near), Arc::from(far));
    let (got, more) = (Arc::new(AtomicU64::new(0)), Arc::new(Notify::new()));
    let server = Arc::clone(&far);
    let reading = tokio::spawn(async move {
        let mut dice = Dice(seed ^ 0x77);
        while let Ok(Some(_)) = server.recv().await {
            // Busy with what was asked.
            if dice.roll(4) == 0 {
                tokio::time::sleep(Duration::from_micros(dice.roll(2_000))).await;
            }
        }
    });
    let asking = Arc::clone(&near);
    let asker = tokio::spawn(async move {
        let mut dice = Dice(seed ^ 0x99);
        loop {
            tokio::time::sleep(Duration::from_micros(dice.roll(3_000))).await;
            let frame = Payload::from(vec![3; dice.roll(5_000) as usize]);
            if asking.send(&[frame]).await.is_err() {
                return;
            }
        }
    });
    let (client, seen, told) = (Arc::clone(&near), Arc::clone(&got), Arc::clone(&more));
    let receiving = tokio::spawn(async move {
        let mut dice = Dice(seed ^ 0x55);
        let mut next = 0;
        while let Ok(Some(frame)) = client.recv().await {
            let place = u64::from_be_bytes(frame[..8].try_into().unwrap());
            assert_eq!(place, next);
            next += 1;
            seen.store(next, Ordering::SeqCst);
            told.notify_one();
            if dice.roll(500) == 0 {
                tokio::time::sleep(Duration::from_micros(dice.roll(5_000))).await;
            }
        }
    });
    let mut dice = Dice(seed);
    let (mut next, mut partial, mut sends) = (0_u64, 0, 0);
    let length = 1_000 + dice.roll(15_000) as usize;
    for _ in 0..rounds {
        let chunks = 1 + dice.roll(300);
        for _ in 0..chunks {
            let frames: Vec<_> = (next..next + 1 + dice.roll(8))
                .map(|place| {
                    let mut frame = vec![1; length];
                    frame[..8].copy_from_slice(&place.to_be_bytes());
                    Payload::from(frame)
                })
                .collect();
            let taken = far.try_send(&frames);
            next += taken as u64;
            if taken < frames.len() {
                partial += 1;
                match dice.roll(3) {
                    // Quiet from now on: it has to arrive without any help.
                    0 => break,
                    1 => {
                        far.send(&frames[taken..]).await.unwrap();
                        next += (frames.len() - taken) as u64;
                        sends += 1;
                    }
                    _ => tokio::task::yield_now().await,
                }
            }
        }
        let all = async {
            while got.load(Ordering::SeqCst) < next {
                more.notified().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), all).await.expect("it never arrives");
        if dice.roll(100) == 0 {
            tokio::time::sleep(Duration::from_millis(dice.roll(30))).await;
        }
    }
    eprintln!("tls {tls} length {length}: {next} frames, {partial} refused, {sends} sends");
    for task in [reading, asker] {
        assert!(!task.is_finished());
        task.abort();
    }
    assert!(!receiving.is_finished());
    receiving.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_goes_at_once_arrives() {
    for seed in 1_u64..=40 {
        for tls in [false, true] {
            run(tls, 150, seed.wrapping_mul(0x9E37_79B9_7F4A_7C15_u64)).await;
        }
    }
}

#[tokio::test]
async fn what_goes_at_once_arrives_on_one_thread() {
    for seed in 1_u64..=30 {
        for tls in [false, true] {
            run(tls, 100, seed.wrapping_mul(0x9E37_79B9_7F4A_7C15_u64)).await;
        }
    }
}
