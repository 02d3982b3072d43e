-- +goose Up

-- The words of messages that can be searched, each behind its channel's number: a search costs by the channels of who
-- searches, not by all there are. A month of messages that is detached takes its words along by
--     DELETE FROM words WHERE month = 202601;
CREATE TABLE words (
    log   bigint   NOT NULL,
    seq   bigint   NOT NULL,
    month integer  NOT NULL,
    terms tsvector NOT NULL,
    PRIMARY KEY (log, seq)
);

CREATE INDEX words_terms ON words USING gin (terms);

-- How the indexer finds what comes next. BRIN would cost the archive less, by a tenth of its time; but without statistics
-- of a new month the planner does not take it, and its summaries fill the server's log.
CREATE INDEX messages_in_log ON messages (shard, month, seq);

CREATE TABLE indexed ( -- how far each shard's messages are in words
    shard integer NOT NULL PRIMARY KEY,
    seq   bigint  NOT NULL
);

-- +goose Down

DROP TABLE indexed;
DROP INDEX messages_in_log;
DROP TABLE words;
