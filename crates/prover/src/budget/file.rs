//! Budgets in files, one a commitment: replaced as a whole and synchronised to the disk, under an exclusive lock.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use proveil_protocol::merkle::Commitment;

use super::{Budget, BudgetError, Store, Use, hex};

const HEAD: &str = "proveil budget 1";

/// A directory of counts.
#[derive(Clone, Debug)]
pub struct FileStore {
    dir: PathBuf,
}

fn io(path: &Path, action: &'static str, e: &std::io::Error) -> BudgetError {
    BudgetError::Io { path: path.display().to_string(), action, reason: e.to_string() }
}

impl FileStore {
    /// Keeps counts in a directory, which is made if it is missing.
    ///
    /// # Errors
    /// `Io`.
    pub fn new(dir: impl Into<PathBuf>) -> Result<Self, BudgetError> {
        let dir = dir.into();
        fs::create_dir_all(&dir).map_err(|e| io(&dir, "create the directory", &e))?;
        Ok(Self { dir })
    }

    fn path(&self, c: &Commitment, suffix: &str) -> PathBuf {
        self.dir.join(format!("{}{suffix}", hex(c)))
    }

    /// Waits for exclusive use of a commitment's count; released when the file is dropped, also by a crash.
    fn lock(&self, c: &Commitment) -> Result<File, BudgetError> {
        let path = self.path(c, ".lock");
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(|e| io(&path, "open", &e))?;
        file.lock().map_err(|e| io(&path, "lock", &e))?;
        Ok(file)
    }

    /// Writes beside the count, synchronises, renames over it, synchronises the directory: at every moment the old
    /// count or the new one is there.
    fn replace(&self, c: &Commitment, b: &Budget) -> Result<(), BudgetError> {
        let (path, next) = (self.path(c, ".budget"), self.path(c, ".next"));
        let mut text = format!("{HEAD}\n");
        for u in Use::ALL {
            text += &format!("{} {} of {}\n", u.name(), b.used[u.index()], b.limit[u.index()]);
        }
        let mut file = File::create(&next).map_err(|e| io(&next, "create", &e))?;
        file.write_all(text.as_bytes()).map_err(|e| io(&next, "write", &e))?;
        file.sync_all().map_err(|e| io(&next, "synchronise", &e))?;
        fs::rename(&next, &path).map_err(|e| io(&path, "replace", &e))?;
        let dir = File::open(&self.dir).and_then(|d| d.sync_all());
        dir.map_err(|e| io(&self.dir, "synchronise", &e))
    }
}

fn parse(path: &Path, text: &str) -> Result<Budget, BudgetError> {
    let malformed = |line: usize| BudgetError::Malformed { path: path.display().to_string(), line };
    let mut lines = text.split_inclusive('\n');
    if lines.next() != Some("proveil budget 1\n") {
        return Err(malformed(1));
    }
    let mut b = Budget { limit: [0; 3], used: [0; 3] };
    for (i, u) in Use::ALL.into_iter().enumerate() {
        let line = lines.next().and_then(|l| l.strip_suffix('\n')).and_then(|l| l.strip_prefix(u.name()));
        let (used, limit) = line.and_then(|l| l.trim_start().split_once(" of ")).ok_or_else(|| malformed(i + 2))?;
        let number = |s: &str| s.parse().map_err(|_| malformed(i + 2));
        (b.used[i], b.limit[i]) = (number(used)?, number(limit)?);
    }
    match lines.next() {
        Some(_) => Err(malformed(5)),
        None => Ok(b),
    }
}

impl Store for FileStore {
    fn open(&self, commitment: &Commitment, budget: &Budget) -> Result<(), BudgetError> {
        let _lock = self.lock(commitment)?;
        if self.path(commitment, ".budget").exists() {
            return Err(BudgetError::Exists { commitment: hex(commitment) });
        }
        self.replace(commitment, budget)
    }

    fn read(&self, commitment: &Commitment) -> Result<Budget, BudgetError> {
        let path = self.path(commitment, ".budget");
        let text = fs::read_to_string(&path).map_err(|e| match e.kind() {
            ErrorKind::NotFound => BudgetError::Unknown { commitment: hex(commitment) },
            ErrorKind::InvalidData => BudgetError::Malformed { path: path.display().to_string(), line: 1 },
            _ => io(&path, "read", &e),
        })?;
        parse(&path, &text)
    }

    fn spend(&self, commitment: &Commitment, what: Use) -> Result<Budget, BudgetError> {
        let _lock = self.lock(commitment)?;
        let mut budget = self.read(commitment)?;
        budget.spend(commitment, what)?;
        self.replace(commitment, &budget)?;
        Ok(budget)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory of its own, removed at the end.
    struct Dir(PathBuf);

    impl Dir {
        fn new() -> Self {
            Self(std::env::temp_dir().join(format!("proveil-budget-{:x}", rand::random::<u128>())))
        }
    }

    impl Drop for Dir {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    const C: Commitment = Commitment { root: [7; 32], nonce: [8; 32] };

    fn store(dir: &Dir, proofs: u32) -> FileStore {
        let s = FileStore::new(&dir.0).unwrap();
        s.open(&C, &Budget { limit: [proofs, 1, 2], used: [0; 3] }).unwrap();
        s
    }

    #[test]
    fn rejects_uses_beyond_each_limit() {
        let dir = Dir::new();
        let s = store(&dir, 3);
        for (what, limit) in Use::ALL.into_iter().zip([3, 1, 2]) {
            for _ in 0..limit {
                s.spend(&C, what).unwrap();
            }
            let refused = s.spend(&C, what).unwrap_err();
            assert!(matches!(refused, BudgetError::Exhausted { limit: l, .. } if l == limit), "{refused}");
        }
        assert_eq!(s.read(&C).unwrap(), Budget { limit: [3, 1, 2], used: [3, 1, 2] });
    }

    #[test]
    fn rejects_unknown_and_reopened_commitments() {
        let dir = Dir::new();
        let s = store(&dir, 1);
        s.spend(&C, Use::Proof).unwrap();
        let again = s.open(&C, &Budget { limit: [9, 1, 2], used: [0; 3] }).unwrap_err();
        assert!(matches!(again, BudgetError::Exists { .. }));
        let other = Commitment { root: [9; 32], ..C };
        assert!(matches!(s.spend(&other, Use::Proof), Err(BudgetError::Unknown { .. })));
    }

    #[test]
    fn roundtrips_through_another_process_and_a_torn_write() {
        let dir = Dir::new();
        store(&dir, 5).spend(&C, Use::Proof).unwrap();
        // A crash before the rename leaves a torn neighbour, which nothing reads.
        let s = FileStore::new(&dir.0).unwrap();
        fs::write(s.path(&C, ".next"), "proveil budg").unwrap();
        assert_eq!(s.spend(&C, Use::Proof).unwrap().used, [2, 0, 0]);
        assert_eq!(FileStore::new(&dir.0).unwrap().read(&C).unwrap().used, [2, 0, 0]);
    }

    #[test]
    fn rejects_damaged_files() {
        let dir = Dir::new();
        let s = store(&dir, 5);
        let good = fs::read_to_string(s.path(&C, ".budget")).unwrap();
        let cases = [
            (String::new(), 1),
            (good.replace("budget 1", "budget 2"), 1),
            (good.replace("proofs 0", "proofs -1"), 2),
            (good.replace("registrations", "registration"), 3),
            (good[..good.len() - 1].to_string(), 4),
            (format!("{good}x"), 5),
        ];
        for (text, expected) in cases {
            fs::write(s.path(&C, ".budget"), &text).unwrap();
            let e = s.spend(&C, Use::Proof).unwrap_err();
            assert!(matches!(e, BudgetError::Malformed { line, .. } if line == expected), "{text}: {e}");
        }
        fs::write(s.path(&C, ".budget"), [0xff, 0xfe]).unwrap();
        assert!(matches!(s.spend(&C, Use::Proof), Err(BudgetError::Malformed { line: 1, .. })));
    }

    #[test]
    fn accepts_exactly_the_limit_from_many_threads() {
        let dir = Dir::new();
        drop(store(&dir, 10));
        let spend = || {
            let s = FileStore::new(&dir.0).unwrap();
            (0..5).filter(|_| s.spend(&C, Use::Proof).is_ok()).count()
        };
        let total: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..6).map(|_| scope.spawn(spend)).collect();
            threads.into_iter().map(|t| t.join().unwrap()).sum()
        });
        assert_eq!(total, 10);
        assert_eq!(FileStore::new(&dir.0).unwrap().read(&C).unwrap().used[0], 10);
    }
}
