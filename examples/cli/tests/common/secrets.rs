//! Transfers secrets from a program that has them to a test that looks for them.

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

/// Disguises secrets, so that the copies are not found, and reverts that.
const DISGUISE: u8 = 0xa5;

const SECRET: &str = "secret ";

/// Length of the windows of a secret that are looked for, at each offset: a part may remain.
const WINDOW: usize = 24;

/// Reported data that is not secret: windows that share a piece with it are not looked for.
const PUBLIC: &str = "public";

/// Length of such a piece. Pieces are recognised in another encoding, too.
const PIECE: usize = 8;

/// The byte strings to look for, by kind.
pub(crate) type Markers = BTreeMap<String, Vec<Vec<u8>>>;

/// Encodes bytes so that a search for them does not find the copy.
pub(crate) fn disguised(bytes: &[u8]) -> String {
    let bytes: Vec<_> = bytes.iter().map(|byte| byte ^ DISGUISE).collect();
    HEXLOWER.encode(&bytes)
}

/// Reverts [`disguised`].
pub(super) fn undisguised(text: &str) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(HEXLOWER.decode(text.as_bytes()).unwrap());
    bytes.iter_mut().for_each(|byte| *byte ^= DISGUISE);
    bytes
}

/// Reports on standard output, from now on, each secret that is created in this process.
pub(super) fn tell() {
    anocm_core::secret_tap::report_to(|what, bytes| {
        println!("{SECRET}{what}: {}", disguised(bytes))
    });
}

/// The secrets that a program reported.
#[derive(Debug, Default)]
pub(crate) struct Told(Arc<Mutex<BTreeMap<String, Kind>>>);

/// The secrets of one kind.
#[derive(Debug, Default)]
struct Kind {
    last: Vec<u8>,
    windows: Vec<Vec<u8>>,
}

impl Told {
    /// Collects secrets from a program's output until it ends; other lines are passed on.
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

    /// Of a structure that is reported repeatedly, only the changes are recorded.
    fn note(&self, what: &str, bytes: &[u8]) {
        let mut told = self.kinds();
        let kind = told.entry(what.to_owned()).or_default();
        let before = kind.last.windows(WINDOW).map(Some).chain(std::iter::repeat(None));
        let new = bytes.windows(WINDOW).zip(before).filter(|(now, before)| Some(*now) != *before);
        let random = new.map(|(window, _)| window).filter(|window| is_random(window));
        kind.windows.extend(random.map(<[u8]>::to_vec));
        kind.last = bytes.to_vec();
    }

    /// Returns the byte strings to look for. Partly public windows are left out, since the public
    /// part could be found next to bytes that happen to match the rest.
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

/// Whether the window is too random to occur by chance, and its prefix is, too: a frequent prefix
/// would make the search slow.
fn is_random(window: &[u8]) -> bool {
    let differ = |bytes: &[u8]| bytes.iter().collect::<BTreeSet<_>>().len() > bytes.len() / 2;
    differ(window) && window.first_chunk::<8>().is_some_and(|start| differ(start))
}
