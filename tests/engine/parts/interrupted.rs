//! Jobs that were cut short: what is left of them, and what is done again.

use std::fs;
use std::path::Path;
use std::time::Duration;

use coordinator::uws::{JobId, JobLimits, Jobs};

use super::{
    FIVE_TILES, FOLDER, Kept, LAST_TILE, LIMITS, completed, copied, copy, counted, ended, hidden,
    lines, made, tiles_on_disk, unwrapped, whole,
};
use crate::in_process::alone;
use crate::worker_bed::until;

/// A job that lost its last tile, and waits for longer than the test.
const WAITING: JobLimits = JobLimits { retry_waits: &[Duration::from_secs(3600)], ..LIMITS };

/// Runs a job until only its last part is missing, and then something else.
async fn cut_short(kept: &Kept, data: &Path, then: impl AsyncFnOnce(Jobs, JobId)) {
    let tiles = tiles_on_disk(&data.join(FOLDER));
    let one = alone(data.to_str().unwrap()).await;
    let tile = data.join(FOLDER).join(LAST_TILE);
    fs::rename(&tile, hidden(&tile)).unwrap();
    let run = kept.while_running(&one.engine, 1, unwrapped, async |jobs: Jobs| {
        let id = made(&jobs, FIVE_TILES, &[("FORMAT", "csv")]).await;
        until("the last part begins", || kept.has_begun(tiles - 1)).await;
        then(jobs, id).await;
    });
    run.await;
    fs::rename(hidden(&tile), &tile).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_abort_leaves_nothing_of_the_parts() {
    let Some(data) = copied() else { return };
    for destroy in [false, true] {
        let kept = Kept::new(WAITING);
        cut_short(&kept, data.path(), async |jobs: Jobs, id: JobId| {
            assert!(!jobs.prometheus().contains("armilla_results_bytes 0\n"));
            if destroy {
                jobs.destroy(id).await.unwrap();
            } else {
                jobs.abort(id).await.unwrap();
            }
            assert!(jobs.prometheus().contains("armilla_results_bytes 0\n"));
        })
        .await;
        assert_eq!(kept.unfinished(), 0);
    }
}

/// What is changed between two runs of a service, and whether the parts are kept then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Nothing,
    Snapshot,
    PartBytes,
    Manifest,
    Rows,
    Version,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_goes_on_after_the_last_finished_part_unless_something_changed() {
    use Change::{Manifest, Nothing, PartBytes, Rows, Snapshot, Version};
    let Some(data) = copied() else { return };
    let tiles = tiles_on_disk(&data.path().join(FOLDER)) as u64;
    let expected = whole(FIVE_TILES).await;
    for change in [Nothing, PartBytes, Manifest, Rows, Version, Snapshot] {
        let kept = Kept::new(WAITING);
        cut_short(&kept, data.path(), async |_, _| {}).await;
        let unfinished = kept.state.path().join("unfinished");
        let folder = fs::read_dir(&unfinished).unwrap().next().unwrap().unwrap().path();
        let manifest = folder.join("manifest.json");
        match change {
            Nothing | PartBytes => {}
            Snapshot => copy(&data.path().join("small_sky"), &data.path().join("another")),
            Manifest => fs::write(&manifest, "{").unwrap(),
            Rows => fs::write(folder.join("part-3.arrows"), "no rows").unwrap(),
            Version => {
                let text = fs::read_to_string(&manifest).unwrap();
                fs::write(&manifest, text.replace("\"version\":1", "\"version\":2")).unwrap();
            }
        }
        // What no job has is swept.
        fs::create_dir(unfinished.join(JobId::random().to_string())).unwrap();
        fs::write(unfinished.join("a file"), "of nobody").unwrap();
        let one = alone(data.path().to_str().unwrap()).await;
        let part_bytes = if change == PartBytes { 2 } else { 1 };
        let expected = &expected;
        let metrics = kept
            .while_running(&one.engine, part_bytes, unwrapped, async |jobs: Jobs| {
                let queued = jobs.list(&Default::default()).await.unwrap();
                let text = completed(&jobs, queued[0].id).await;
                assert_eq!(lines(&text), lines(expected), "{change:?}");
            })
            .await;
        until("the parts are removed", || kept.unfinished() == 0).await;
        let again = if change == Nothing { [1, tiles - 1, 1] } else { [tiles, 0, 0] };
        assert_eq!(counted(&metrics), again, "{change:?}");
    }
}

/// Leaves of a file of rows what tells their columns: as if it ended there.
fn cut_off(file: &Path) {
    let bytes = fs::read(file).unwrap();
    // A mark and the length of the first message, which has no body (Arrow IPC).
    let length = u32::from_le_bytes(bytes[4..8].try_into().unwrap());
    fs::write(file, &bytes[..8 + length as usize]).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_are_missing_from_a_kept_part_are_noticed() {
    type Damage = fn(&Path);
    let Some(data) = copied() else { return };
    let cases: [(&str, Damage); 2] = [
        ("are not whole", |folder| cut_off(&folder.join("part-1.arrows"))),
        ("are those of another part", |folder| {
            let mut parts: Vec<_> =
                (0..4).map(|part| folder.join(format!("part-{part}.arrows"))).collect();
            parts.sort_by_key(|part| fs::metadata(part).unwrap().len());
            fs::copy(&parts[3], &parts[0]).unwrap();
        }),
    ];
    for (words, damage) in cases {
        let kept = Kept::new(WAITING);
        cut_short(&kept, data.path(), async |_, _| {}).await;
        let unfinished = kept.state.path().join("unfinished");
        damage(&fs::read_dir(&unfinished).unwrap().next().unwrap().unwrap().path());
        let kept = Kept { limits: JobLimits { retry_waits: &[], ..WAITING }, ..kept };
        let one = alone(data.path().to_str().unwrap()).await;
        let run = kept.while_running(&one.engine, 1, unwrapped, async |jobs: Jobs| {
            let queued = jobs.list(&Default::default()).await.unwrap();
            let failure = ended(&jobs, queued[0].id).await.error.expect("no short answer");
            assert!(failure.is_transient() && failure.message.contains(words), "{failure:?}");
        });
        run.await;
    }
}
