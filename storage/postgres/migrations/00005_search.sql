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

-- Messages lie in the order in which they were written, which in a shard is that of their seqs: a few bytes for each 32
-- pages are enough to find the next ones to be indexed.
CREATE INDEX messages_by_seq ON messages USING brin (shard, seq) WITH (pages_per_range = 32, autosummarize = on);

CREATE TABLE indexed ( -- how far each shard's messages are in words
    shard integer NOT NULL PRIMARY KEY,
    seq   bigint  NOT NULL
);

-- +goose Down

DROP TABLE indexed;
DROP INDEX messages_by_seq;
DROP TABLE words;
