//! Messages that are gone while the definitions of their queues are there: a folder that was taken away, or an empty place
//! at which a volume was to be mounted. Such a start would be one without messages, and without a word.
//!
//! The folder of the messages is on stable storage before the first definition is; and the catalogue lists each segment
//! of the log from the moment at which it was made, on stable storage as well.

use super::database::Database;
use super::folder::Folder;
use super::log::Catalogue as _;
use super::state::SledState;
use super::{EngineKind, StateStore, StoreError, Table};

/// Refuses a folder with queues or exchanges in which the messages are missing as a whole.
pub(super) fn refuse_lost_messages(folder: &Folder, engine: EngineKind, state: &SledState) -> Result<(), StoreError> {
    if !are_lost(folder, engine, state)? {
        return Ok(());
    }
    let messages = folder.messages(engine);
    let name = messages.file_name().unwrap_or_default().to_string_lossy();
    Err(StoreError::Foreign {
        path: folder.path().to_path_buf(),
        reason: format!(
            "has queues in its folder state and no messages in {name}, which is missing or empty; mount or restore \
             {name}, or give its messages up with `warren store forget-lost`"
        ),
    })
}

/// Whether there were messages, or a place for them, and now there is none.
pub(super) fn are_lost(folder: &Folder, engine: EngineKind, state: &SledState) -> Result<bool, StoreError> {
    let path = folder.messages(engine);
    let missing = match engine {
        EngineKind::Log => {
            if folder.has_segments()? {
                return Ok(false);
            }
            if !state.catalogue().list()?.is_empty() {
                return Ok(true);
            }
            !path.is_dir()
        }
        EngineKind::Sled => !Database::is_at(&path)?,
        EngineKind::Memory => false,
    };
    // A first start that was killed has made no definitions yet.
    Ok(missing && (!state.scan(Table::Queues)?.is_empty() || !state.scan(Table::Exchanges)?.is_empty()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::store::tests::{Answers, keep};
    use crate::store::{MessageStore, QueueId, StateChange, StoreOptions, convert, forget_lost, inspect};

    const ENGINES: [EngineKind; 2] = [EngineKind::Log, EngineKind::Sled];

    /// Opens a folder and ends again; gives the number of messages.
    fn start(options: &StoreOptions, work: impl FnOnce(&MessageStore, &dyn StateStore)) -> Result<u64, StoreError> {
        let (mut store, state) = MessageStore::open(options.clone(), Arc::new(|error| panic!("{error}")))?;
        let found = store.recover(&mut |_| {})?.messages;
        work(&store, &*state);
        store.shutdown()?;
        Ok(found)
    }

    /// A folder with a queue and a message.
    fn fill(options: &StoreOptions) {
        let filled = start(options, |store, state| {
            let put = StateChange::Put(Table::Queues, b"q".to_vec(), b"v".to_vec());
            state.commit(&[put]).unwrap();
            let answers = Arc::new(Answers::default());
            store
                .journal(QueueId(1))
                .keep(&mut vec![keep(1, 1, 10, Some(answers.ticket(1)))]);
        });
        assert_eq!(filled.unwrap(), 0);
    }

    fn options(dir: &Path, engine: EngineKind) -> StoreOptions {
        StoreOptions {
            engine,
            ..StoreOptions::new(dir)
        }
    }

    #[test]
    fn a_folder_whose_messages_are_gone_is_refused_until_they_are_given_up() {
        for engine in ENGINES {
            for leaves_a_place in [false, true] {
                let dir = tempfile::tempdir().unwrap();
                let options = options(dir.path(), engine);
                fill(&options);
                assert!(forget_lost(&options).is_err(), "nothing is lost");
                let messages = dir.path().join(format!("messages-{}", engine.name()));
                fs::remove_dir_all(&messages).unwrap();
                if leaves_a_place {
                    fs::create_dir(&messages).unwrap();
                }
                let other = match engine {
                    EngineKind::Log => EngineKind::Sled,
                    _ => EngineKind::Log,
                };
                let refusals = [
                    start(&options, |_, _| {}).map(drop),
                    inspect(&options).map(drop),
                    convert(&options, other).map(drop),
                ];
                for refusal in refusals {
                    let text = refusal.unwrap_err().to_string();
                    let name = format!("no messages in messages-{}", engine.name());
                    assert!(text.contains(&name) && text.contains("forget-lost"), "{text}");
                }
                forget_lost(&options).unwrap();
                assert_eq!(start(&options, |_, _| {}).unwrap(), 0);
                assert_eq!(start(&options, |_, _| {}).unwrap(), 0);
            }
        }
    }

    #[test]
    fn a_folder_without_anything_to_lose_starts_without_its_place_for_messages() {
        for engine in ENGINES {
            let dir = tempfile::tempdir().unwrap();
            let options = options(dir.path(), engine);
            start(&options, |_, state| {
                let put = StateChange::Put(Table::Vhosts, b"/".to_vec(), b"v".to_vec());
                state.commit(&[put]).unwrap();
            })
            .unwrap();
            fs::remove_dir_all(dir.path().join(format!("messages-{}", engine.name()))).unwrap();
            assert_eq!(start(&options, |_, _| {}).unwrap(), 0);
        }
    }

    #[test]
    fn a_queue_that_never_had_a_message_needs_no_segment() {
        let dir = tempfile::tempdir().unwrap();
        let options = options(dir.path(), EngineKind::Log);
        for _ in 0..2 {
            start(&options, |_, state| {
                let put = StateChange::Put(Table::Queues, b"q".to_vec(), b"v".to_vec());
                state.commit(&[put]).unwrap();
            })
            .unwrap();
        }
    }
}
