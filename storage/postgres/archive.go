package postgres

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/history"
)

// knownLogs bounds how many channels' numbers are held in memory.
const knownLogs = 1 << 17

// Archive implements history.Store.
//
// Its transaction locks the shard's row in archived before it looks at the position there. So two archives at once, or
// one that has died without knowing whether it had committed, write each message once: what is at or below the position
// is there already.
//
// The commit waits for PostgreSQL's disk (synchronous_commit): without that, a crash of the server takes transactions
// back whose messages this process will not bring again, and it is spread over a whole batch. A database that has gone
// back nevertheless, to a backup or to a standby that had not got everything, is told by its position: going on would
// leave a hole.
func (s *DB) Archive(ctx context.Context, shard int, batch history.Batch, upto uint64) error {
	var a *archive
	err := s.ensureMonths(ctx, batch.Messages)
	for attempt := 1; err == nil && attempt <= 2; attempt++ {
		err = s.do(ctx, func(ctx context.Context, tx pgx.Tx) error {
			a = &archive{s: s, tx: tx, shard: shard, rest: batch.Messages, changes: batch.Changes, disappear: batch.Disappear}
			return a.run(ctx, upto)
		})
		if stateOf(err) != stateCheck || attempt == 2 {
			break
		}
		s.forget() // a month's partition was detached: it gets a new one
		err = s.ensureMonths(ctx, batch.Messages)
	}
	if err != nil {
		return fmt.Errorf("archive %d messages of shard %d: %w", len(batch.Messages), shard, err)
	}
	for c, l := range a.logs {
		s.logs.Add(c, l.num)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.archived[shard] = max(s.archived[shard], a.position)
	return nil
}

// ensureMonths makes the partitions that the batch needs.
func (s *DB) ensureMonths(ctx context.Context, batch []history.Archival) error {
	var was month
	for i := range batch {
		if m := credible(batch[i].At); m != was {
			if err := s.ensure(ctx, m); err != nil {
				return err
			}
			was = m
		}
	}
	return nil
}

// credible returns the month of a time, but none after the next one from now: months never fall again in a shard, and a
// server's wrong clock must not send all that follows into a month decades away.
func credible(at int64) month { return min(monthOf(at), monthOf(time.Now().UnixMilli()).next()) }

// archive is one transaction of Archive.
type archive struct {
	s        *DB
	tx       pgx.Tx
	shard    int
	rest     []history.Archival        // what is not archived yet
	changes  []history.Change          // the same of changes
	month    month                     // of the newest message in the shard
	position int64                     // once it is committed
	begun    []begun                   // months that begin in this batch
	logs     map[fabric.ChannelID]*log // of the channels in it

	disappear map[fabric.ChannelID]int
}

type begun struct {
	month month
	first int64 // seq
}

// log is a channel's row in logs as this batch changes it.
type log struct {
	num   int64
	first month          // of the batch
	head  *fabric.Stored // the newest message, nil for none
	month month          // of head
	last  uint64         // seq of the newest record
}

func (a *archive) run(ctx context.Context, upto uint64) error {
	position, err := a.lock(ctx)
	if err != nil {
		return err
	}
	if known := a.s.knownPosition(a.shard); position < known {
		return fmt.Errorf("the database has gone back from seq %d to %d (a backup, or a standby that lagged?): "+
			"start this process again, it archives from there on", known, position)
	}
	for len(a.rest) > 0 && int64(a.rest[0].Seq) <= position {
		a.rest = a.rest[1:]
	}
	for len(a.changes) > 0 && int64(a.changes[0].Seq) <= position {
		a.changes = a.changes[1:] // applying it again would undo what came behind it
	}
	if int64(upto) <= position {
		a.disappear = nil
	}
	months := a.place()
	if err := a.number(ctx); err != nil {
		return err
	}
	if err := a.copy(ctx, months); err != nil {
		return err
	}
	if err := a.nameMedia(ctx); err != nil {
		return err
	}
	if err := a.begin(ctx); err != nil {
		return err
	}
	if err := a.apply(ctx); err != nil {
		return err
	}
	a.position = max(int64(upto), position) // seqs < 2^48
	return a.move(ctx)
}

// knownPosition returns up to where this process has archived the shard.
func (s *DB) knownPosition(shard int) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.archived[shard]
}

// lock waits for other archives of the shard and returns how far they came.
func (a *archive) lock(ctx context.Context) (position int64, err error) {
	var b pgx.Batch
	b.Queue(`INSERT INTO archived (shard, seq, month) VALUES ($1, 0, 0) ON CONFLICT DO NOTHING`, a.shard)
	b.Queue(`SELECT seq, month FROM archived WHERE shard = $1 FOR NO KEY UPDATE`, a.shard).QueryRow(func(r pgx.Row) error {
		return r.Scan(&position, &a.month)
	})
	if err := a.tx.SendBatch(ctx, &b).Close(); err != nil {
		return 0, fmt.Errorf("lock the position: %w", err)
	}
	return position, nil
}

// place returns the month of each message, and finds each channel's newest one.
func (a *archive) place() []month {
	months := make([]month, len(a.rest))
	a.logs = make(map[fabric.ChannelID]*log)
	for i := range a.rest {
		m := &a.rest[i]
		if at := credible(m.At); at > a.month {
			a.month = at
			a.begun = append(a.begun, begun{at, int64(m.Seq)})
		}
		months[i] = a.month
		l := a.log(m.Channel)
		l.head, l.month, l.last = &m.Stored, a.month, m.Seq
	}
	for i := range a.changes {
		l := a.log(a.changes[i].Channel)
		l.last = max(l.last, a.changes[i].Seq)
	}
	for c := range a.disappear {
		a.log(c)
	}
	return months
}

func (a *archive) log(c fabric.ChannelID) *log {
	l := a.logs[c]
	if l == nil {
		l = &log{first: max(a.month, firstMonth)}
		a.logs[c] = l
	}
	return l
}

// number finds the channels' numbers, which they get with their first messages. Nobody else does that for a channel of
// this shard meanwhile: the shard's row is locked.
func (a *archive) number(ctx context.Context) error {
	var unknown []fabric.ChannelID
	for c, l := range a.logs {
		if num, ok := a.s.logs.Get(c); ok {
			l.num = num
		} else {
			unknown = append(unknown, c)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	if err := a.numbers(ctx, `SELECT num, channel_id FROM logs WHERE channel_id = ANY($1)`, unknown); err != nil {
		return err
	}
	var names []fabric.ChannelID
	var firsts []month
	for _, c := range unknown {
		if l := a.logs[c]; l.num == 0 {
			names, firsts = append(names, c), append(firsts, l.first)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return a.numbers(ctx, `INSERT INTO logs (channel_id, shard, first_month, head_seq, head_at, head_month)
		SELECT c, $2, m, 0, 0, m FROM unnest($1::text[], $3::integer[]) AS n (c, m)
		RETURNING num, channel_id`, names, a.shard, firsts)
}

func (a *archive) numbers(ctx context.Context, query string, args ...any) error {
	found, err := a.tx.Query(ctx, query, args...)
	if err != nil {
		return fmt.Errorf("numbers of channels: %w", err)
	}
	var num int64
	var c fabric.ChannelID
	if _, err := pgx.ForEachRow(found, []any{&num, &c}, func() error {
		a.logs[c].num = num
		return nil
	}); err != nil {
		return fmt.Errorf("numbers of channels: %w", err)
	}
	return nil
}

func (a *archive) copy(ctx context.Context, months []month) error {
	if len(a.rest) == 0 {
		return nil
	}
	_, err := a.tx.CopyFrom(ctx, pgx.Identifier{"messages"},
		[]string{"month", "shard", "log", "seq", "prev", "at", "sender", "cid", "kind", "body", "only_sender", "expires_at"},
		pgx.CopyFromSlice(len(a.rest), func(i int) ([]any, error) {
			m := &a.rest[i]
			return []any{int32(months[i]), int32(a.shard), a.logs[m.Channel].num, int64(m.Seq), int64(m.Prev), m.At,
				stored(string(m.From)), stored(m.CID), stored(m.Kind), stored(string(m.Body)), m.Only, orNull(m.ExpiresAt)}, nil
		}))
	if err != nil {
		return fmt.Errorf("copy messages: %w", err)
	}
	return nil
}

// orNull returns a time, NULL for none.
func orNull(at int64) *int64 {
	if at == 0 {
		return nil
	}
	return &at
}

// stored is s as PostgreSQL takes it. What a client wrote is checked at the edge; yet one record that is not UTF-8 must
// not stop the archive of its shard for ever.
func stored(s string) string {
	if utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 {
		return s
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// begin notes the months that begin in this batch: by them the messages that its changes are about are found.
func (a *archive) begin(ctx context.Context) error {
	if len(a.begun) == 0 {
		return nil
	}
	var b pgx.Batch
	for _, m := range a.begun {
		b.Queue(`INSERT INTO months (shard, first_seq, month) VALUES ($1, $2, $3)`, a.shard, m.first, m.month)
	}
	if err := a.tx.SendBatch(ctx, &b).Close(); err != nil {
		return fmt.Errorf("months that begin: %w", err)
	}
	return nil
}

// move moves the channels' heads and the shard's position.
func (a *archive) move(ctx context.Context) error {
	var b pgx.Batch
	if len(a.logs) > 0 {
		var nums, seqs, ats, lasts, others, otherLasts []int64
		var months []month
		for _, l := range a.logs {
			if l.head == nil {
				others, otherLasts = append(others, l.num), append(otherLasts, int64(l.last))
				continue
			}
			nums, seqs, ats, lasts = append(nums, l.num), append(seqs, int64(l.head.Seq)), append(ats, l.head.At), append(lasts, int64(l.last))
			months = append(months, l.month)
		}
		b.Queue(`UPDATE logs SET head_seq = n.seq, head_at = n.at, head_month = n.month, last_seq = greatest(last_seq, n.last)
			FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::integer[]) AS n (num, seq, at, last, month)
			WHERE logs.num = n.num`, nums, seqs, ats, lasts, months)
		if len(others) > 0 {
			b.Queue(`UPDATE logs SET last_seq = greatest(last_seq, n.last)
				FROM unnest($1::bigint[], $2::bigint[]) AS n (num, last) WHERE logs.num = n.num`, others, otherLasts)
		}
	}
	for c, seconds := range a.disappear {
		b.Queue(`UPDATE logs SET disappear = $2 WHERE num = $1`, a.logs[c].num, seconds)
	}
	b.Queue(`UPDATE archived SET seq = $2, month = $3 WHERE shard = $1`, a.shard, a.position, a.month)
	if err := a.tx.SendBatch(ctx, &b).Close(); err != nil {
		return fmt.Errorf("move the position: %w", err)
	}
	return nil
}
