package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/media"
)

const (
	mediaFields = `f.id, f.user_id, f.channel_id, f.name, f.sha256, f.created_at,
		o.blob, o.size, o.type, o.state, o.width, o.height, o.preview, coalesce(o.thumb, ''), o.thumb_size
		FROM media f JOIN objects o ON o.sha256 = f.sha256`
	queryMedia = `SELECT ` + mediaFields + ` WHERE f.id = $1`

	// $1 is the file, $2 the user, $3 now. What names it must be seen by the user: as mayBeSeen says, from the record on that
	// made them a member.
	queryReadable = queryMedia + ` AND (NOT f.sent AND f.user_id = $2 OR EXISTS (SELECT 1 FROM media_refs r
		JOIN logs l ON l.num = r.log
		JOIN members u ON u.user_id = $2 AND u.channel_id = l.channel_id AND u.from_seq IS NOT NULL
		LEFT JOIN groups g ON g.channel_id = l.channel_id
		JOIN messages m ON m.log = r.log AND m.month = month_of(l.shard, r.seq) AND m.seq = r.seq
		WHERE r.media = f.id AND (r.seq >= u.from_seq OR g.history = 'all') AND (NOT m.only_sender OR m.sender = $2)
			AND (m.expires_at IS NULL OR m.expires_at > $3)
			AND NOT EXISTS (SELECT 1 FROM hidden h WHERE h.user_id = $2 AND h.log = r.log AND h.target = r.seq)))`

	// $1, $2 and $3 are times: idle before, unsent before, now.
	queryIdleMedia = `SELECT f.id FROM media f WHERE f.idle_at < $1 AND (f.sent OR f.idle_at < $2)
		AND NOT EXISTS (SELECT 1 FROM media_holds h WHERE h.media = f.id AND h.until > $3) ORDER BY f.idle_at LIMIT $4`

	queryKnownBlobs = `SELECT blob FROM objects WHERE blob = ANY($1::text[]) UNION SELECT thumb FROM objects WHERE thumb = ANY($1)
		UNION SELECT blob FROM media_erasures WHERE blob = ANY($1)`
)

type filed struct {
	file   media.File
	object media.Object
}

func scanMedia(r pgx.Row) (x filed, err error) {
	f, o := &x.file, &x.object
	err = r.Scan(&f.ID, &f.User, &f.Channel, &f.Name, &f.SHA256, &f.CreatedAt,
		&o.Blob, &o.Size, &o.Type, &o.State, &o.Width, &o.Height, &o.Preview, &o.Thumb, &o.ThumbSize)
	o.SHA256 = f.SHA256
	return x, err
}

func noMedia(id fabric.MediaID) error {
	return fabric.Errorf(fabric.CodeNotFound, "there is no file %s", id)
}

// Media implements media.Store.
func (s *DB) Media(ctx context.Context, id fabric.MediaID) (media.File, media.Object, error) {
	return s.oneMedia(ctx, id, queryMedia, id)
}

// Readable implements media.Store.
func (s *DB) Readable(ctx context.Context, u fabric.UserID, id fabric.MediaID, now int64) (media.File, media.Object, error) {
	return s.oneMedia(ctx, id, queryReadable, id, u, now)
}

func (s *DB) oneMedia(ctx context.Context, id fabric.MediaID, query string, args ...any) (media.File, media.Object, error) {
	found, err := rows(ctx, s, query, func(r pgx.CollectableRow) (filed, error) { return scanMedia(r) }, args...)
	if err != nil {
		return media.File{}, media.Object{}, err
	}
	if len(found) == 0 {
		return media.File{}, media.Object{}, noMedia(id)
	}
	return found[0].file, found[0].object, nil
}

// AddMedia implements media.Store.
func (s *DB) AddMedia(ctx context.Context, f media.File, o media.Object) (media.File, media.Object, error) {
	var got filed
	err := s.do(ctx, func(ctx context.Context, tx pgx.Tx) error {
		known, err := scanMedia(tx.QueryRow(ctx, queryMedia, f.ID))
		if got = known; err == nil {
			return nil
		}
		if !errors.Is(err, pgx.ErrNoRows) {
			return fmt.Errorf("look for file: %w", err)
		}
		// Locked where it is there: it does not go before the file is in. It may have gone between the two statements.
		for there := false; !there; {
			tag, err := tx.Exec(ctx, `INSERT INTO objects (sha256, blob, size, type, state, width, height, preview, thumb, thumb_size)
				VALUES ($1, $2, $3, $4, $5, $6, $7, $8, nullif($9::text, ''), $10) ON CONFLICT (sha256) DO NOTHING`,
				o.SHA256, o.Blob, o.Size, stored(o.Type), o.State, o.Width, o.Height, o.Preview, o.Thumb, o.ThumbSize)
			if err != nil {
				return err
			}
			if there = tag.RowsAffected() > 0; there {
				break
			}
			if tag, err = tx.Exec(ctx, `SELECT 1 FROM objects WHERE sha256 = $1 FOR UPDATE`, o.SHA256); err != nil {
				return err
			}
			if there = tag.RowsAffected() > 0; there {
				if err := eraseBlobs(ctx, tx, o.Blob, o.Thumb); err != nil {
					return err
				}
			}
		}
		if _, err := tx.Exec(ctx, `INSERT INTO media (id, sha256, user_id, channel_id, name, created_at, idle_at) VALUES ($1, $2, $3, $4, $5, $6, $6)`,
			f.ID, o.SHA256, f.User, f.Channel, stored(f.Name), f.CreatedAt); err != nil {
			return err
		}
		got, err = scanMedia(tx.QueryRow(ctx, queryMedia, f.ID))
		return err
	})
	return got.file, got.object, err
}

func eraseBlobs(ctx context.Context, tx pgx.Tx, blobs ...fabric.MediaID) error {
	_, err := tx.Exec(ctx, `INSERT INTO media_erasures (blob) SELECT j FROM unnest($1::text[]) j
		WHERE j <> '' AND NOT EXISTS (SELECT 1 FROM objects WHERE blob = j OR thumb = j) ON CONFLICT DO NOTHING`, blobs)
	return err
}

// Hold implements media.Store.
func (s *DB) Hold(ctx context.Context, h media.Hold) error {
	return s.do(ctx, func(ctx context.Context, tx pgx.Tx) error {
		// Who removes the file locks it too: they see the hold, or we that it is gone.
		tag, err := tx.Exec(ctx, `SELECT 1 FROM media WHERE id = $1 FOR UPDATE`, h.Media)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return noMedia(h.Media)
		}
		_, err = tx.Exec(ctx, `INSERT INTO media_holds (media, user_id, cid, until) VALUES ($1, $2, $3, $4)
			ON CONFLICT (media, user_id, cid) DO UPDATE SET until = greatest(media_holds.until, excluded.until)`, h.Media, h.User, h.CID, h.Until)
		return err
	})
}

// Held implements media.Store.
func (s *DB) Held(ctx context.Context, id fabric.MediaID, now int64) (bool, error) {
	held, err := rows(ctx, s, `SELECT EXISTS (SELECT 1 FROM media_holds WHERE media = $1 AND until > $2)`, pgx.RowTo[bool], id, now)
	return err == nil && held[0], err
}

// IdleMedia implements media.Store.
func (s *DB) IdleMedia(ctx context.Context, before, unsent, now int64, limit int) ([]fabric.MediaID, error) {
	return rows(ctx, s, queryIdleMedia, pgx.RowTo[fabric.MediaID], before, unsent, now, limit)
}

// RemoveMedia implements media.Store.
func (s *DB) RemoveMedia(ctx context.Context, ids []fabric.MediaID, now int64) (removed int, err error) {
	err = s.do(ctx, func(ctx context.Context, tx pgx.Tx) error {
		removed = 0
		if _, err := tx.Exec(ctx, `DELETE FROM media_holds WHERE until <= $1`, now); err != nil {
			return err
		}
		// Locked first, so that the conditions are looked at as they are then; in an order, so that two of us do not wait for
		// one another.
		if _, err := tx.Exec(ctx, `SELECT 1 FROM media WHERE id = ANY($1) ORDER BY id FOR UPDATE`, ids); err != nil {
			return err
		}
		found, err := tx.Query(ctx, `DELETE FROM media f WHERE f.id = ANY($1) AND f.idle_at IS NOT NULL
			AND NOT EXISTS (SELECT 1 FROM media_refs r WHERE r.media = f.id) AND NOT EXISTS (SELECT 1 FROM media_holds h WHERE h.media = f.id)
			RETURNING sha256`, ids)
		if err != nil {
			return err
		}
		contents, err := pgx.CollectRows(found, pgx.RowTo[string])
		if err != nil {
			return fmt.Errorf("remove files: %w", err)
		}
		removed = len(contents)
		if _, err := tx.Exec(ctx, `SELECT 1 FROM objects WHERE sha256 = ANY($1) ORDER BY sha256 FOR UPDATE`, contents); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `WITH gone AS (DELETE FROM objects o WHERE o.sha256 = ANY($1)
				AND NOT EXISTS (SELECT 1 FROM media f WHERE f.sha256 = o.sha256) RETURNING blob, thumb)
			INSERT INTO media_erasures (blob) SELECT blob FROM gone UNION SELECT thumb FROM gone WHERE thumb IS NOT NULL
			ON CONFLICT DO NOTHING`, contents)
		return err
	})
	return removed, err
}

// MediaErasures implements media.Store.
func (s *DB) MediaErasures(ctx context.Context, limit int) ([]fabric.MediaID, error) {
	return rows(ctx, s, `SELECT blob FROM media_erasures ORDER BY blob LIMIT $1`, pgx.RowTo[fabric.MediaID], limit)
}

// MediaErased implements media.Store.
func (s *DB) MediaErased(ctx context.Context, blobs []fabric.MediaID) error {
	return s.do(ctx, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM media_erasures WHERE blob = ANY($1)`, blobs)
		return err
	})
}

// KnownBlobs implements media.Store.
func (s *DB) KnownBlobs(ctx context.Context, blobs []fabric.MediaID) ([]fabric.MediaID, error) {
	return rows(ctx, s, queryKnownBlobs, pgx.RowTo[fabric.MediaID], blobs)
}

// SpendMedia implements media.Store.
func (s *DB) SpendMedia(ctx context.Context, u fabric.UserID, day, bytes, most int64) (ok bool, err error) {
	err = s.do(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `DELETE FROM media_spent WHERE user_id = $1 AND day < $2`, u, day); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, `INSERT INTO media_spent AS s (user_id, day, bytes) SELECT $1, $2, $3 WHERE $3::bigint <= $4::bigint
			ON CONFLICT (user_id, day) DO UPDATE SET bytes = s.bytes + excluded.bytes WHERE s.bytes + excluded.bytes <= $4`, u, day, bytes, most)
		ok = tag.RowsAffected() > 0
		return err
	})
	return ok, err
}

// LinkKeys implements media.Store.
func (s *DB) LinkKeys(ctx context.Context) ([]media.LinkKey, error) {
	return rows(ctx, s, `SELECT key, created_at FROM media_keys ORDER BY created_at DESC`, pgx.RowToStructByPos[media.LinkKey])
}

// AddLinkKey implements media.Store.
func (s *DB) AddLinkKey(ctx context.Context, k media.LinkKey, before, forget int64) error {
	return s.do(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `DELETE FROM media_keys WHERE created_at < $1`, forget); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `INSERT INTO media_keys (created_at, key) SELECT $1, $2
			WHERE NOT EXISTS (SELECT 1 FROM media_keys WHERE created_at >= $3) ON CONFLICT DO NOTHING`, k.CreatedAt, k.Key, before)
		return err
	})
}

// nameMedia notes which files the batch's messages name.
func (a *archive) nameMedia(ctx context.Context) error {
	var files []fabric.MediaID
	var logs, seqs []int64
	for i := range a.rest {
		if m := &a.rest[i]; m.Media != "" {
			files, logs, seqs = append(files, m.Media), append(logs, a.logs[m.Channel].num), append(seqs, int64(m.Seq))
		}
	}
	if len(files) == 0 {
		return nil
	}
	var b pgx.Batch
	b.Queue(`SELECT 1 FROM media WHERE id = ANY($1) ORDER BY id FOR UPDATE`, files) // as forgetMedia has it
	b.Queue(`INSERT INTO media_refs (media, log, seq) SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[]) ON CONFLICT DO NOTHING`, files, logs, seqs)
	b.Queue(`UPDATE media SET sent = true, idle_at = NULL WHERE id = ANY($1)`, files)
	if err := a.tx.SendBatch(ctx, &b).Close(); err != nil {
		return fmt.Errorf("files that messages name: %w", err)
	}
	return nil
}

// forgetMedia takes note that a message names its file no more. The file is locked first: of two messages that go at once
// the second one must see that the first one is gone.
func forgetMedia(b *pgx.Batch, num, seq int64) {
	b.Queue(`SELECT 1 FROM media WHERE id = (SELECT media FROM media_refs WHERE log = $1 AND seq = $2) FOR UPDATE`, num, seq)
	b.Queue(`UPDATE media SET idle_at = (extract(epoch FROM clock_timestamp()) * 1000)::bigint
		WHERE id = (SELECT media FROM media_refs WHERE log = $1 AND seq = $2)
			AND NOT EXISTS (SELECT 1 FROM media_refs r WHERE r.media = media.id AND NOT (r.log = $1 AND r.seq = $2))`, num, seq)
	b.Queue(`DELETE FROM media_refs WHERE log = $1 AND seq = $2`, num, seq)
}
