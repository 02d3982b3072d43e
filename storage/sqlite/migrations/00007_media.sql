-- +goose Up

CREATE TABLE objects ( -- what files have in them, each content once
    sha256     TEXT    NOT NULL PRIMARY KEY, -- hex
    blob       TEXT    NOT NULL UNIQUE,      -- what its bytes are kept under
    size       INTEGER NOT NULL,
    type       TEXT    NOT NULL,             -- media type, by its bytes
    state      TEXT    NOT NULL,             -- ready, checking, condemned
    width      INTEGER NOT NULL,             -- of a picture; 0 for none
    height     INTEGER NOT NULL,
    preview    TEXT    NOT NULL,
    thumb      TEXT,                         -- what its thumbnail is kept under
    thumb_size INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX objects_thumb ON objects (thumb) WHERE thumb IS NOT NULL;
CREATE INDEX objects_checking ON objects (state) WHERE state = 'checking';

CREATE TABLE media ( -- files as people have uploaded them
    id         TEXT    NOT NULL PRIMARY KEY,
    sha256     TEXT    NOT NULL REFERENCES objects (sha256),
    user_id    TEXT    NOT NULL,
    channel_id TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    sent       INTEGER NOT NULL DEFAULT 0, -- whether a message has ever named it
    idle_at    INTEGER                     -- since when none does; NULL while one does
) STRICT, WITHOUT ROWID;

CREATE INDEX media_of_object ON media (sha256);
CREATE INDEX media_idle ON media (idle_at) WHERE idle_at IS NOT NULL;

CREATE TABLE media_refs ( -- messages that name a file: written and removed with them
    media TEXT    NOT NULL,
    place INTEGER NOT NULL, -- of the message
    PRIMARY KEY (media, place)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX media_of_message ON media_refs (place);

CREATE TABLE media_holds ( -- files that stay for a message which is on its way
    media   TEXT    NOT NULL,
    user_id TEXT    NOT NULL,
    cid     TEXT    NOT NULL,
    until   INTEGER NOT NULL,
    PRIMARY KEY (media, user_id, cid)
) STRICT, WITHOUT ROWID;

CREATE INDEX media_holds_until ON media_holds (until);

CREATE TABLE media_erasures ( -- bytes that are to be removed
    blob TEXT NOT NULL PRIMARY KEY
) STRICT, WITHOUT ROWID;

CREATE TABLE media_spent ( -- how much somebody has uploaded on a day
    user_id TEXT    NOT NULL,
    day     INTEGER NOT NULL, -- since 1970, UTC
    bytes   INTEGER NOT NULL,
    PRIMARY KEY (user_id, day)
) STRICT, WITHOUT ROWID;

CREATE TABLE media_keys ( -- that sign links
    created_at INTEGER NOT NULL PRIMARY KEY,
    key        BLOB    NOT NULL
) STRICT, WITHOUT ROWID;

-- +goose Down

DROP TABLE media_keys;
DROP TABLE media_spent;
DROP TABLE media_erasures;
DROP TABLE media_holds;
DROP TABLE media_refs;
DROP TABLE media;
DROP TABLE objects;
