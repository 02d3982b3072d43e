-- +goose Up

CREATE TABLE objects ( -- what files have in them, each content once
    sha256     text COLLATE "C" NOT NULL PRIMARY KEY, -- hex
    blob       text COLLATE "C" NOT NULL UNIQUE,      -- what its bytes are kept under
    size       bigint NOT NULL,
    type       text COLLATE "C" NOT NULL,             -- media type, by its bytes
    state      text COLLATE "C" NOT NULL,             -- ready, checking, condemned
    width      bigint NOT NULL,             -- of a picture; 0 for none
    height     bigint NOT NULL,
    preview    text COLLATE "C" NOT NULL,
    thumb      text COLLATE "C",                         -- what its thumbnail is kept under
    thumb_size bigint NOT NULL
);

CREATE UNIQUE INDEX objects_thumb ON objects (thumb) WHERE thumb IS NOT NULL;
CREATE INDEX objects_checking ON objects (state) WHERE state = 'checking';

CREATE TABLE media ( -- files as people have uploaded them
    id         text COLLATE "C" NOT NULL PRIMARY KEY,
    sha256     text COLLATE "C" NOT NULL REFERENCES objects (sha256),
    user_id    text COLLATE "C" NOT NULL,
    channel_id text COLLATE "C" NOT NULL,
    name       text COLLATE "C" NOT NULL,
    created_at bigint NOT NULL,
    sent       boolean NOT NULL DEFAULT false, -- whether a message has ever named it
    idle_at    bigint                      -- since when none does; NULL while one does
);

CREATE INDEX media_of_object ON media (sha256);
CREATE INDEX media_idle ON media (idle_at) WHERE idle_at IS NOT NULL;

CREATE TABLE media_refs ( -- messages that name a file: written and removed with them
    media text COLLATE "C" NOT NULL,
    log   bigint           NOT NULL, -- logs.num, as in messages
    seq   bigint           NOT NULL,
    PRIMARY KEY (media, log, seq)
);

CREATE UNIQUE INDEX media_of_message ON media_refs (log, seq);

CREATE TABLE media_holds ( -- files that stay for a message which is on its way
    media   text COLLATE "C" NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    cid     text COLLATE "C" NOT NULL,
    until   bigint NOT NULL,
    PRIMARY KEY (media, user_id, cid)
);

CREATE INDEX media_holds_until ON media_holds (until);

CREATE TABLE media_erasures ( -- bytes that are to be removed
    blob text COLLATE "C" NOT NULL PRIMARY KEY
);

CREATE TABLE media_spent ( -- how much somebody has uploaded on a day
    user_id text COLLATE "C" NOT NULL,
    day     bigint NOT NULL, -- since 1970, UTC
    bytes   bigint NOT NULL,
    PRIMARY KEY (user_id, day)
);

CREATE TABLE media_keys ( -- that sign links
    created_at bigint NOT NULL PRIMARY KEY,
    key        bytea    NOT NULL
);

-- +goose Down

DROP TABLE media_keys;
DROP TABLE media_spent;
DROP TABLE media_erasures;
DROP TABLE media_holds;
DROP TABLE media_refs;
DROP TABLE media;
DROP TABLE objects;
