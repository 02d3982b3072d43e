-- +goose Up

ALTER TABLE users
    ADD COLUMN about      text    NOT NULL DEFAULT '',
    ADD COLUMN avatar     text    NOT NULL DEFAULT '',    -- the picture's SHA-256 in hex
    ADD COLUMN show_seen  text    NOT NULL DEFAULT 'all', -- who sees last seen and presence: all, contacts, none
    ADD COLUMN show_read  boolean NOT NULL DEFAULT true,  -- whether the other one of a direct chat sees what was read
    ADD COLUMN may_group  text    NOT NULL DEFAULT 'all', -- who adds one to groups: all, contacts, none
    ADD COLUMN deleted_at bigint;                         -- the account is gone; phone is no phone then

CREATE TABLE blocks (
    user_id    text COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE, -- has blocked
    blocked_id text COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at bigint           NOT NULL,
    PRIMARY KEY (user_id, blocked_id)
);

CREATE INDEX blocks_of ON blocks (blocked_id);

CREATE TABLE contacts (
    user_id    text COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE, -- has in their contacts
    contact_id text COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    PRIMARY KEY (user_id, contact_id)
);

CREATE INDEX contacts_of ON contacts (contact_id, user_id);

CREATE INDEX devices_of_whom ON devices (user_id); -- revoked ones, too: of an account that ends

-- +goose Down

DROP INDEX devices_of_whom;
DROP TABLE contacts;
DROP TABLE blocks;
ALTER TABLE users
    DROP COLUMN deleted_at,
    DROP COLUMN may_group,
    DROP COLUMN show_read,
    DROP COLUMN show_seen,
    DROP COLUMN avatar,
    DROP COLUMN about;
