-- +goose Up

-- The words of messages that can be searched, each behind its channel's number: a search costs by the channels of who
-- searches, not by all there are. rowid is the message's place. Words that go are overwritten.
CREATE VIRTUAL TABLE words USING fts5 (terms, content = '', tokenize = 'ascii', detail = 'none');
INSERT INTO words (words, rank) VALUES ('secure-delete', 1);

CREATE TABLE indexed ( -- how far each shard's messages are in words
    shard INTEGER NOT NULL PRIMARY KEY,
    seq   INTEGER NOT NULL
) STRICT;

-- +goose Down

DROP TABLE indexed;
DROP TABLE words;
