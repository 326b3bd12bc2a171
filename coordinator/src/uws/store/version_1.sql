-- Times are milliseconds since 1970 (UTC).
CREATE TABLE jobs (
    id TEXT NOT NULL PRIMARY KEY,
    phase TEXT NOT NULL,
    run_id TEXT,
    parameters TEXT NOT NULL, -- JSON: [[name, value], ...]
    created_ms BIGINT NOT NULL,
    queued_ms BIGINT,
    started_ms BIGINT,
    ended_ms BIGINT,
    execution_s BIGINT NOT NULL,
    destruction_ms BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    content_type TEXT,
    result_bytes BIGINT,
    error_kind TEXT, -- fatal or transient
    error_message TEXT
);
CREATE INDEX jobs_by_phase ON jobs (phase, queued_ms);
CREATE INDEX jobs_by_creation ON jobs (created_ms);
CREATE INDEX jobs_by_destruction ON jobs (destruction_ms);
