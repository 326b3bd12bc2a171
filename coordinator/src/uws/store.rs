//! The jobs on disk: one table of an `SQLite` file, in statements that `PostgreSQL` takes as well.
//!
//! A phase changes by one statement that names the phases it may leave, so that of two changes at
//! once one wins. The file carries a version; a step for each version leads to the next, and a
//! file of a newer release is refused.

mod row;

use std::path::Path;
use std::time::Duration;

use sqlx::Row;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

use crate::uws::{
    Error, Failure, Job, JobFilter, JobId, JobSummary, Moment, Parameters, Phase, ResultFile,
};

/// Step n makes a file of version n + 1 from one of version n.
const STEPS: [&str; 1] = [include_str!("store/version_1.sql")];

/// A statement waits so long for another connection to end its own.
const BUSY: Duration = Duration::from_secs(30);

/// Jobs that begin to run so often without an end are given up: they may be what ends the process.
pub const ATTEMPTS_MAX: u32 = 3;

/// The jobs.
#[derive(Debug, Clone)]
pub struct Store {
    pool: SqlitePool,
}

impl Store {
    /// Opens the file, or makes it.
    ///
    /// # Errors
    /// When it cannot be opened, or was written by a newer release.
    pub async fn open(file: &Path) -> Result<Self, Error> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // A job that a client was told of is there after a power cut.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY);
        let pool = SqlitePoolOptions::new().max_connections(4).connect_with(options).await?;
        let store = Self { pool };
        store.migrate(file).await?;
        Ok(store)
    }

    async fn migrate(&self, file: &Path) -> Result<(), Error> {
        let table = "CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)";
        sqlx::query(table).execute(&self.pool).await?;
        let row = sqlx::query("SELECT COALESCE(MAX(version), 0) AS version FROM schema_version");
        let found: i64 = row.fetch_one(&self.pool).await?.try_get("version")?;
        let known = i64::try_from(STEPS.len()).unwrap_or(i64::MAX);
        if found > known {
            return Err(Error::Newer { file: file.to_owned(), found, known });
        }
        for (version, step) in (1_i64..).zip(STEPS).skip_while(|(version, _)| *version <= found) {
            let mut transaction = self.pool.begin().await?;
            sqlx::raw_sql(step).execute(&mut *transaction).await?;
            let insert = sqlx::query("INSERT INTO schema_version (version) VALUES ($1)");
            insert.bind(version).execute(&mut *transaction).await?;
            transaction.commit().await?;
        }
        Ok(())
    }

    /// Keeps a new job.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub async fn insert(&self, job: &Job) -> Result<(), Error> {
        let insert = sqlx::query(
            "INSERT INTO jobs (id, phase, run_id, parameters, created_ms, execution_s, \
             destruction_ms, attempts) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        );
        let insert = insert.bind(job.id.to_string()).bind(job.phase.name());
        let insert = insert.bind(job.parameters.run_id()).bind(row::to_text(&job.parameters));
        let insert = insert.bind(job.created.millis()).bind(i64::from(job.execution_seconds));
        let insert = insert.bind(job.destruction.millis()).bind(i64::from(job.attempts));
        insert.execute(&self.pool).await?;
        Ok(())
    }

    /// A job; none where there is no such.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn get(&self, id: JobId) -> Result<Option<Job>, Error> {
        let select = sqlx::query("SELECT * FROM jobs WHERE id = $1").bind(id.to_string());
        let row = select.fetch_optional(&self.pool).await?;
        row.as_ref().map(row::job).transpose()
    }

    /// The jobs that a filter lets pass, newest first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn list(&self, filter: &JobFilter) -> Result<Vec<JobSummary>, Error> {
        let shown = |phase: &Phase| match filter.phases.as_slice() {
            [] => *phase != Phase::Archived,
            phases => phases.contains(phase),
        };
        let phases: Vec<Phase> = Phase::ALL.into_iter().filter(shown).collect();
        let select = sqlx::query(
            "SELECT id, phase, run_id, created_ms FROM jobs \
             WHERE $1 LIKE '%,' || phase || ',%' AND created_ms > $2 \
             ORDER BY created_ms DESC, id LIMIT $3",
        );
        let select = select.bind(one_of(&phases));
        let select = select.bind(filter.after.map_or(i64::MIN, Moment::millis));
        let select = select.bind(filter.last.map_or(i64::MAX, i64::from));
        select.fetch_all(&self.pool).await?.iter().map(row::summary).collect()
    }

    /// How many jobs are in one of some phases.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn count(&self, phases: &[Phase]) -> Result<u64, Error> {
        let select = "SELECT COUNT(*) AS n FROM jobs WHERE $1 LIKE '%,' || phase || ',%'";
        let row = sqlx::query(select).bind(one_of(phases)).fetch_one(&self.pool).await?;
        Ok(u64::try_from(row.try_get::<i64, _>("n")?).unwrap_or_default())
    }

    /// Changes the parameters of a job that is PENDING; false where it is not.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub async fn set_parameters(&self, id: JobId, to: &Parameters) -> Result<bool, Error> {
        let update = sqlx::query(
            "UPDATE jobs SET parameters = $2, run_id = $3 WHERE id = $1 AND phase = 'PENDING'",
        );
        let update = update.bind(id.to_string()).bind(row::to_text(to)).bind(to.run_id());
        Ok(update.execute(&self.pool).await?.rows_affected() > 0)
    }

    /// Changes how long a job may run; false where it has ended.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub async fn set_execution_seconds(&self, id: JobId, seconds: u32) -> Result<bool, Error> {
        let update = sqlx::query(
            "UPDATE jobs SET execution_s = $2 \
             WHERE id = $1 AND phase IN ('PENDING', 'QUEUED', 'EXECUTING')",
        );
        let update = update.bind(id.to_string()).bind(i64::from(seconds));
        Ok(update.execute(&self.pool).await?.rows_affected() > 0)
    }

    /// Changes when a job will be destroyed.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub async fn set_destruction(&self, id: JobId, to: Moment) -> Result<(), Error> {
        let update = sqlx::query("UPDATE jobs SET destruction_ms = $2 WHERE id = $1");
        update.bind(id.to_string()).bind(to.millis()).execute(&self.pool).await?;
        Ok(())
    }

    /// PENDING to QUEUED, where fewer than `queued_max` wait; false where that cannot be.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub async fn enqueue(&self, id: JobId, queued_max: u32) -> Result<bool, Error> {
        let update = sqlx::query(
            "UPDATE jobs SET phase = 'QUEUED', queued_ms = $2 WHERE id = $1 \
             AND phase = 'PENDING' AND (SELECT COUNT(*) FROM jobs WHERE phase = 'QUEUED') < $3",
        );
        let update = update.bind(id.to_string()).bind(Moment::now().millis());
        let update = update.bind(i64::from(queued_max)).execute(&self.pool).await?;
        Ok(update.rows_affected() > 0)
    }

    /// The job that waits longest, from QUEUED to EXECUTING; none where none waits.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub async fn start_next(&self) -> Result<Option<Job>, Error> {
        let update = sqlx::query(
            "UPDATE jobs SET phase = 'EXECUTING', started_ms = $1, attempts = attempts + 1 \
             WHERE phase = 'QUEUED' AND id = (SELECT id FROM jobs WHERE phase = 'QUEUED' \
             ORDER BY queued_ms, id LIMIT 1) RETURNING *",
        );
        let update = update.bind(Moment::now().millis());
        update.fetch_optional(&self.pool).await?.as_ref().map(row::job).transpose()
    }

    /// To COMPLETED; false where the job is not EXECUTING any more.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub async fn complete(&self, id: JobId, result: &ResultFile) -> Result<bool, Error> {
        let update = sqlx::query(
            "UPDATE jobs SET phase = 'COMPLETED', ended_ms = $2, content_type = $3, \
             result_bytes = $4 WHERE id = $1 AND $5 LIKE '%,' || phase || ',%'",
        );
        let update = update.bind(id.to_string()).bind(Moment::now().millis());
        let update = update.bind(&result.content_type);
        let update = update.bind(i64::try_from(result.bytes).unwrap_or(i64::MAX));
        let update = update.bind(one_of(Phase::Completed.predecessors()));
        Ok(update.execute(&self.pool).await?.rows_affected() > 0)
    }

    /// To ERROR; false where the phase does not lead there.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub async fn fail(&self, id: JobId, failure: &Failure) -> Result<bool, Error> {
        let update = sqlx::query(
            "UPDATE jobs SET phase = 'ERROR', ended_ms = $2, error_kind = $3, \
             error_message = $4 WHERE id = $1 AND $5 LIKE '%,' || phase || ',%'",
        );
        let update = update.bind(id.to_string()).bind(Moment::now().millis());
        let update = update.bind(row::kind(failure)).bind(&failure.message);
        let update = update.bind(one_of(Phase::Error.predecessors()));
        Ok(update.execute(&self.pool).await?.rows_affected() > 0)
    }

    /// To ABORTED; false where the phase does not lead there.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub async fn abort(&self, id: JobId) -> Result<bool, Error> {
        let update = sqlx::query(
            "UPDATE jobs SET phase = 'ABORTED', ended_ms = $2 \
             WHERE id = $1 AND $3 LIKE '%,' || phase || ',%'",
        );
        let update = update.bind(id.to_string()).bind(Moment::now().millis());
        let update = update.bind(one_of(Phase::Aborted.predecessors()));
        Ok(update.execute(&self.pool).await?.rows_affected() > 0)
    }

    /// Puts all that is EXECUTING back to QUEUED because the service stops in good order: that
    /// attempt does not count. How many there were.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub async fn requeue(&self) -> Result<u64, Error> {
        let update = sqlx::query(
            "UPDATE jobs SET phase = 'QUEUED', started_ms = NULL, attempts = attempts - 1 \
             WHERE phase = 'EXECUTING'",
        );
        Ok(update.execute(&self.pool).await?.rows_affected())
    }

    /// What a process that was killed left as EXECUTING: QUEUED again, or ERROR after
    /// [`ATTEMPTS_MAX`] such ends.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub async fn recover(&self) -> Result<(), Error> {
        let message = format!(
            "the service ended {ATTEMPTS_MAX} times while it ran this job: make the query \
             smaller, or ask the operator"
        );
        let update = sqlx::query(
            "UPDATE jobs SET phase = 'ERROR', ended_ms = $1, error_kind = 'fatal', \
             error_message = $2 WHERE phase = 'EXECUTING' AND attempts >= $3",
        );
        let update = update.bind(Moment::now().millis()).bind(message);
        update.bind(i64::from(ATTEMPTS_MAX)).execute(&self.pool).await?;
        let update = sqlx::query(
            "UPDATE jobs SET phase = 'QUEUED', started_ms = NULL WHERE phase = 'EXECUTING'",
        );
        update.execute(&self.pool).await?;
        Ok(())
    }

    /// The jobs with a result, and its length.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn results(&self) -> Result<Vec<(JobId, u64)>, Error> {
        let select = "SELECT id, result_bytes FROM jobs WHERE phase = 'COMPLETED'";
        let rows = sqlx::query(select).fetch_all(&self.pool).await?;
        rows.iter().map(row::result).collect()
    }

    /// From COMPLETED to ERROR: the result is gone.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub async fn lose_result(&self, id: JobId, failure: &Failure) -> Result<(), Error> {
        let update = sqlx::query(
            "UPDATE jobs SET phase = 'ERROR', content_type = NULL, result_bytes = NULL, \
             error_kind = $2, error_message = $3 WHERE id = $1 AND phase = 'COMPLETED'",
        );
        let update = update.bind(id.to_string()).bind(row::kind(failure)).bind(&failure.message);
        update.execute(&self.pool).await?;
        Ok(())
    }

    /// Forgets a job; false where there was none.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub async fn delete(&self, id: JobId) -> Result<bool, Error> {
        let delete = sqlx::query("DELETE FROM jobs WHERE id = $1").bind(id.to_string());
        Ok(delete.execute(&self.pool).await?.rows_affected() > 0)
    }

    /// The job that is to be destroyed first, and when.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn next_destruction(&self) -> Result<Option<(JobId, Moment)>, Error> {
        let select = "SELECT id, destruction_ms FROM jobs ORDER BY destruction_ms, id LIMIT 1";
        let row = sqlx::query(select).fetch_optional(&self.pool).await?;
        row.as_ref().map(row::destruction).transpose()
    }
}

/// Phases as a text that holds each between commas: a list that fits into one argument.
fn one_of(phases: &[Phase]) -> String {
    phases.iter().fold(",".to_owned(), |text, phase| text + phase.name() + ",")
}
