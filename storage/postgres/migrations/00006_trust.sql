-- +goose Up

ALTER TABLE users ADD COLUMN service text NOT NULL DEFAULT ''; -- the internal service whose account it is; phone is no phone then

CREATE TABLE services ( -- internal services: they write to users over NATS
    name       text COLLATE "C" NOT NULL PRIMARY KEY,
    user_id    text COLLATE "C" NOT NULL UNIQUE REFERENCES users (id),
    may_users  boolean          NOT NULL, -- whether it writes to users, and to groups
    may_groups boolean          NOT NULL,
    rate       double precision NOT NULL, -- messages a second
    credential text             NOT NULL, -- the public user key of its credentials
    webhook    text             NOT NULL, -- where what it is written is posted; '' for a service that reads it from NATS
    secret     text             NOT NULL, -- that signs what is posted
    created_at bigint           NOT NULL,
    removed_at bigint
);

CREATE TABLE service_sends ( -- what services have sent lately: the same cid again is the same message
    user_id text COLLATE "C" NOT NULL,
    cid     text COLLATE "C" NOT NULL,
    channel text COLLATE "C" NOT NULL,
    at      bigint           NOT NULL,
    PRIMARY KEY (user_id, cid)
);

CREATE INDEX service_sends_at ON service_sends (at);

CREATE TABLE taken ( -- how often something was done lately, counted by all processes together
    key    text COLLATE "C" NOT NULL,
    period bigint           NOT NULL, -- since when, Unix milliseconds
    n      integer          NOT NULL,
    PRIMARY KEY (key, period)
);

CREATE INDEX taken_period ON taken (period);

CREATE TABLE identities ( -- people as an organisation's issuer knows them (OpenID Connect)
    issuer  text COLLATE "C" NOT NULL,
    subject text COLLATE "C" NOT NULL,
    user_id text COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    PRIMARY KEY (issuer, subject)
);

CREATE INDEX identities_of ON identities (user_id);

-- +goose Down

DROP TABLE identities;
DROP TABLE taken;
DROP TABLE service_sends;
DROP TABLE services;
ALTER TABLE users DROP COLUMN service;
