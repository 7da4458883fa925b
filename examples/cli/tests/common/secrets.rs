//! Secrets on their way from a program that has them to a test that looks for them.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::BufRead,
    sync::{
        Arc, Mutex, MutexGuard,
        mpsc::{Receiver, channel},
    },
};

use data_encoding::HEXLOWER;
use zeroize::Zeroizing;

/// Turns secrets into what is not looked for, and back.
const DISGUISE: u8 = 0xa5;

const SECRET: &str = "secret ";

/// So many bytes of a secret are looked for, at each of its places: it may lie there in part.
const WINDOW: usize = 24;

/// What is told and no secret: what has a piece of it is not looked for.
const PUBLIC: &str = "public";

/// So many bytes make a piece. They are found again in another encoding.
const PIECE: usize = 8;

/// What to look for, by what it is.
pub(crate) type Markers = BTreeMap<String, Vec<Vec<u8>>>;

/// In such a way that it does not count as being found.
pub(crate) fn disguised(bytes: &[u8]) -> String {
    let bytes: Vec<_> = bytes.iter().map(|byte| byte ^ DISGUISE).collect();
    HEXLOWER.encode(&bytes)
}

/// What it was.
pub(super) fn undisguised(text: &str) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(HEXLOWER.decode(text.as_bytes()).unwrap());
    bytes.iter_mut().for_each(|byte| *byte ^= DISGUISE);
    bytes
}

/// Says on standard output, from now on, each secret that comes about in this process.
pub(super) fn tell() {
    anocm_core::secret_tap::report_to(|what, bytes| {
        println!("{SECRET}{what}: {}", disguised(bytes))
    });
}

/// What a program told.
#[derive(Debug, Default)]
pub(crate) struct Told(Arc<Mutex<BTreeMap<String, Kind>>>);

/// Secrets that are the same thing.
#[derive(Debug, Default)]
struct Kind {
    last: Vec<u8>,
    windows: Vec<Vec<u8>>,
}

impl Told {
    /// Gathers secrets from what a program says, for as long as it says something; the rest goes on
    /// line by line.
    pub(crate) fn by(output: impl BufRead + Send + 'static) -> (Self, Receiver<String>) {
        let told = Self::default();
        let (to, lines) = channel();
        let into = Self(told.0.clone());
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let secret = line.strip_prefix(SECRET).and_then(|told| told.split_once(": "));
                if let Some((what, bytes)) = secret {
                    into.note(what, &undisguised(bytes));
                } else if to.send(line).is_err() {
                    return;
                }
            }
        });
        (told, lines)
    }

    /// Of a structure that is told again and again only what has changed is noted.
    fn note(&self, what: &str, bytes: &[u8]) {
        let mut told = self.kinds();
        let kind = told.entry(what.to_owned()).or_default();
        let before = kind.last.windows(WINDOW).map(Some).chain(std::iter::repeat(None));
        let new = bytes.windows(WINDOW).zip(before).filter(|(now, before)| Some(*now) != *before);
        let random = new.map(|(window, _)| window).filter(|window| is_random(window));
        kind.windows.extend(random.map(<[u8]>::to_vec));
        kind.last = bytes.to_vec();
    }

    /// What to look for. What is public in part would be found beside what happens to be the rest.
    pub(crate) fn markers(&self) -> Markers {
        let told = self.kinds();
        let public = told.get(PUBLIC).into_iter().flat_map(|kind| &kind.windows);
        let public: BTreeSet<_> = public.flat_map(|window| window.windows(PIECE)).collect();
        let is_secret =
            |window: &&Vec<u8>| !window.windows(PIECE).any(|piece| public.contains(piece));
        let secret = told.iter().filter(|(what, _)| what.as_str() != PUBLIC);
        let markers = secret.map(|(what, kind)| {
            let windows: BTreeSet<_> = kind.windows.iter().filter(is_secret).collect();
            (what.clone(), windows.into_iter().cloned().collect())
        });
        markers.collect()
    }

    fn kinds(&self) -> MutexGuard<'_, BTreeMap<String, Kind>> {
        self.0.lock().unwrap()
    }
}

/// Whether it does not stand somewhere by chance, nor its beginning everywhere: that would make the
/// search slow.
fn is_random(window: &[u8]) -> bool {
    let differ = |bytes: &[u8]| bytes.iter().collect::<BTreeSet<_>>().len() > bytes.len() / 2;
    differ(window) && window.first_chunk::<8>().is_some_and(|start| differ(start))
}
