package push

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/subjects"
)

// Why a device is not pushed what it could be, as metrics have it. These are all the reasons there are.
const (
	spareOwn     = "own"     // the user's own message
	spareAcked   = "acked"   // the device has it
	spareRead    = "read"    // the user has read it, on whatever device
	spareDeleted = "deleted" // it was deleted meanwhile
	spareMuted   = "muted"
	spareBlocked = "blocked"
	spareNotIn   = "not_in" // the user is not in the channel, or was not yet
)

// stored are a user's marks as the stream of receipts has them. Device is the one whose ack raised them last: where what
// edges tell of devices is not remembered, it is known of that one at least.
type stored struct {
	Delivered uint64          `json:"delivered"`
	Read      uint64          `json:"read"`
	Device    fabric.DeviceID `json:"device"`
}

// standing is how a device and its user stand to a channel.
type standing struct {
	target *Target

	from      uint64 // the user is a member from the record behind it on
	delivered uint64 // the device has acked
	read      uint64 // the user has read
	muted     bool
	blocked   map[fabric.UserID]bool // whom the user has blocked, of the senders
}

// owed returns what a device is to be told of the news, and how often it was spared for which reason. Nothing here asks
// anybody: these are the rules of who is disturbed.
func (s *standing) owed(n *news, spare func(reason string)) (messages []message, changes []change) {
	for _, m := range n.messages {
		if why := s.spares(m.from, m.seq); why != "" {
			spare(why)
			continue
		}
		if s.muted && (!s.target.Mentions || !mentioned(m.mentions, s.target.User)) {
			spare(spareMuted)
			continue
		}
		messages = append(messages, m)
	}
	for _, c := range n.changes {
		// Whoever was spared the message is spared what became of it. Not who has muted the chat since: what shows a message
		// that was deleted must not go on to.
		if s.spares(c.from, c.seq) == "" {
			changes = append(changes, c)
		}
	}
	return messages, changes
}

// spares says why a message is not pushed, whatever is in it; "" where it is.
func (s *standing) spares(from fabric.UserID, seq uint64) string {
	switch {
	case from == s.target.User:
		return spareOwn
	case seq <= s.from:
		return spareNotIn
	case seq <= s.read:
		return spareRead
	case seq <= s.delivered:
		return spareAcked
	case s.blocked[from]:
		return spareBlocked
	}
	return ""
}

func mentioned(users []fabric.UserID, u fabric.UserID) bool {
	for _, m := range users {
		if m == u {
			return true
		}
	}
	return false
}

func muted(until int64, now time.Time) bool {
	return until == fabric.MutedForever || until > fabric.Millis(now)
}

// jobsOf makes what is queued for a device.
func jobsOf(s *standing, c fabric.ChannelID, lane, class, group string, names map[fabric.UserID]string, messages []message, changes []change) (jobs []queued) {
	base := job{User: s.target.User, Device: s.target.Device, Channel: c}
	if n := len(messages); n > 0 {
		last := messages[n-1]
		j := base
		j.Kind, j.First, j.Seq, j.Count, j.At = pushMessage, messages[0].seq, last.seq, n, last.at
		j.From, j.Group = names[last.from], group
		for _, m := range messages[max(0, n-maxLines):] {
			l := Line{Seq: m.seq, Text: m.text}
			if group != "" {
				l.From = names[m.from]
			}
			j.Lines = append(j.Lines, l)
		}
		jobs = append(jobs, queued{j, lane, class})
	}
	for _, ch := range changes {
		j := base
		j.Kind, j.Seq, j.At = ch.kind, ch.seq, ch.at
		j.ID = fmt.Sprintf("%s.%d.%d", c, ch.seq, ch.at) // a message may be edited again
		if ch.kind == pushEdit {
			j.Lines = []Line{{Seq: ch.seq, Text: ch.text}}
			if group != "" {
				j.Lines[0].From = names[ch.from]
			}
		}
		jobs = append(jobs, queued{j, lane, class})
	}
	return jobs
}

// marksOf returns the stored marks that subjects have, by subject.
func (r *Role) marksOf(ctx context.Context, bySubject map[int][]string) (map[string]stored, error) {
	marks := make(map[string]stored)
	for shard, list := range bySubject {
		lasts, err := r.reader.LastOf(ctx, subjects.RcptStream(shard), list, 0)
		if err != nil {
			return nil, fmt.Errorf("marks: %w", err)
		}
		for _, l := range lasts {
			var m stored
			if json.Unmarshal(l.Payload, &m) == nil {
				marks[l.Subject] = m
			}
		}
	}
	return marks, nil
}

// take adds what is stored to what is remembered.
func (s *standing) take(m stored) {
	s.read = max(s.read, m.Read)
	if m.Device == s.target.Device {
		s.delivered = max(s.delivered, m.Delivered)
	}
}

// remembered returns a device's standing as far as edges have told it.
func (r *Role) remembered(t *Target, c fabric.ChannelID) standing {
	return standing{target: t, delivered: r.acked.delivered(c, t.Device), read: r.acked.read(c, t.User)}
}

// owes reports whether any of the news is left for a device as far as is known of it by now; why else is counted.
func (r *Role) owes(s *standing, n *news) bool {
	messages, changes := s.owed(n, func(string) {})
	if len(messages)+len(changes) > 0 {
		return true
	}
	s.owed(n, r.spared)
	return false
}

// read returns a window's news, and counts what was deleted meanwhile.
func (r *Role) read(w *window) news {
	n, deleted := newsOf(w)
	r.metrics.spared.WithLabelValues(spareDeleted).Add(float64(deleted))
	return n
}

func (r *Role) spared(reason string) { r.metrics.spared.WithLabelValues(reason).Inc() }

// owedDirect has what came into direct chats queued for whoever has not acked it.
func (r *Role) owedDirect(ctx context.Context, due []*window) error {
	users := make(map[fabric.UserID]struct{}, 2*len(due))
	for _, w := range due {
		// Whoever writes is not told; that the other one has written too is rare.
		low, high, _ := w.channel.Users()
		for _, rec := range w.records {
			if fabric.IsChange(rec.kind) || rec.from != low {
				users[low] = struct{}{}
			}
			if fabric.IsChange(rec.kind) || rec.from != high {
				users[high] = struct{}{}
			}
		}
	}
	reachable, err := r.targets.of(ctx, users)
	if err != nil {
		return err
	}
	type candidate struct {
		standing
		window  *window
		news    *news
		subject string
		ask     int
	}
	var all []*candidate
	var asks []Ask
	bySubject := make(map[int][]string)
	for _, w := range due {
		low, high, _ := w.channel.Users()
		if len(reachable[low])+len(reachable[high]) == 0 {
			continue
		}
		// Most messages are acked by now: what is in them is read once a device is left that may be owed one.
		n, plain := unread(w)
		if !plain {
			n = r.read(w)
		}
		for _, u := range []fabric.UserID{low, high} {
			peer, _ := w.channel.Peer(u)
			subject := ""
			for i := range reachable[u] {
				c := &candidate{standing: r.remembered(&reachable[u][i], w.channel), window: w, news: &n}
				if !r.owes(&c.standing, c.news) {
					continue
				}
				if plain {
					n, plain = r.read(w), false
				}
				if subject == "" { // of the user's first device that is left
					subject = subjects.Receipt(w.channel, w.shard, u)
					bySubject[w.shard] = append(bySubject[w.shard], subject)
					asks = append(asks, Ask{User: u, Channel: w.channel, Sender: peer})
				}
				c.subject, c.ask = subject, len(asks)-1
				all = append(all, c)
			}
		}
	}
	if len(all) == 0 {
		return nil
	}
	marks, err := r.marksOf(ctx, bySubject)
	if err != nil {
		return err
	}
	stands, err := r.standings(ctx, asks)
	if err != nil {
		return err
	}
	var jobs []queued
	for _, c := range all {
		st := stands[c.ask]
		c.take(marks[c.subject])
		c.muted = muted(st.MutedUntil, r.cfg.Now())
		peer := asks[c.ask].Sender
		if st.Blocked {
			c.blocked = map[fabric.UserID]bool{peer: true}
		}
		messages, changes := c.owed(c.news, r.spared)
		jobs = append(jobs, jobsOf(&c.standing, c.window.channel, r.laneOf(c.target), classNow, "", map[fabric.UserID]string{peer: st.Sender}, messages, changes)...)
	}
	return r.tell(ctx, jobs)
}

// tell queues jobs, and remembers what devices will show by them.
func (r *Role) tell(ctx context.Context, jobs []queued) error {
	jobs = r.reachable(jobs)
	if err := r.enqueue(ctx, jobs); err != nil {
		return err
	}
	r.shown.note(jobs)
	return nil
}

// askAtOnce bounds one question to the database.
const askAtOnce = 1000

func (r *Role) standings(ctx context.Context, asks []Ask) ([]Standing, error) {
	all := make([]Standing, 0, len(asks))
	for len(asks) > 0 {
		n := min(len(asks), askAtOnce)
		part, err := r.store.PushStandings(ctx, asks[:n])
		if err != nil {
			return nil, fmt.Errorf("standings: %w", err)
		}
		if len(part) != n {
			return nil, fmt.Errorf("standings: %d answers to %d asks", len(part), n)
		}
		all, asks = append(all, part...), asks[n:]
	}
	return all, nil
}

// reachable leaves out what goes to services that this server does not push by (any more).
func (r *Role) reachable(jobs []queued) []queued {
	kept := jobs[:0]
	for _, j := range jobs {
		if j.lane != "" {
			kept = append(kept, j)
		}
	}
	return kept
}

// few is how many devices may be told of something in a group without its being a storm.
const few = 50

// owedGroups has what came into groups queued for the members who have not acked it, group by group and some of them at a
// time.
func (r *Role) owedGroups(ctx context.Context, due []*window) error {
	for _, w := range due {
		if err := r.owedGroup(ctx, w); err != nil {
			return fmt.Errorf("group %s: %w", w.channel, err)
		}
	}
	return nil
}

func (r *Role) owedGroup(ctx context.Context, w *window) error {
	n := r.read(w)
	if len(n.messages)+len(n.changes) == 0 {
		return nil
	}
	var names map[fabric.UserID]string
	var group, class string
	var after Member
	for {
		page, err := r.store.PushMembers(ctx, w.channel, after.User, after.Device, askAtOnce)
		if err != nil {
			return fmt.Errorf("members: %w", err)
		}
		if len(page) == 0 {
			return nil
		}
		after = page[len(page)-1]
		if class == "" {
			if class = classNow; len(page) > few {
				class = classBulk
			}
		}
		all, err := r.owedMembers(ctx, w, &n, page)
		if err != nil {
			return err
		}
		if len(all) > 0 && names == nil {
			if names, group, err = r.namesOf(ctx, w.channel, &n); err != nil {
				return err
			}
		}
		var jobs []queued
		for _, s := range all {
			messages, changes := s.owed(&n, r.spared)
			jobs = append(jobs, jobsOf(s, w.channel, r.laneOf(s.target), class, group, names, messages, changes)...)
		}
		if err := r.tell(ctx, jobs); err != nil {
			return err
		}
		if len(page) < askAtOnce {
			return nil
		}
	}
}

// owedMembers returns those of a page of a group's devices that may be owed something, with all that is known of them.
func (r *Role) owedMembers(ctx context.Context, w *window, n *news, page []Member) (all []*standing, err error) {
	var list []string
	at := make(map[fabric.UserID]string)
	var users []fabric.UserID
	for i := range page {
		m := &page[i]
		s := r.remembered(&m.Target, w.channel)
		s.from, s.muted = m.From, muted(m.MutedUntil, r.cfg.Now())
		if !r.owes(&s, n) {
			continue
		}
		if at[m.User] == "" {
			at[m.User] = subjects.GroupReceipt(w.channel, w.shard, m.User)
			list, users = append(list, at[m.User]), append(users, m.User)
		}
		all = append(all, &s)
	}
	if len(all) == 0 {
		return nil, nil
	}
	marks, err := r.marksOf(ctx, map[int][]string{w.shard: list})
	if err != nil {
		return nil, err
	}
	blocked := make(map[fabric.UserID]map[fabric.UserID]bool)
	for _, sender := range n.senders {
		by, err := r.store.PushBlockers(ctx, users, sender)
		if err != nil {
			return nil, fmt.Errorf("who has blocked %s: %w", sender, err)
		}
		for _, u := range by {
			if blocked[u] == nil {
				blocked[u] = make(map[fabric.UserID]bool)
			}
			blocked[u][sender] = true
		}
	}
	for _, s := range all {
		s.take(marks[at[s.target.User]])
		s.blocked = blocked[s.target.User]
	}
	return all, nil
}

// namesOf returns what a group and who has written there are called.
func (r *Role) namesOf(ctx context.Context, c fabric.ChannelID, n *news) (names map[fabric.UserID]string, group string, err error) {
	users := append([]fabric.UserID(nil), n.senders...)
	for _, ch := range n.changes {
		users = append(users, ch.from)
	}
	if names, err = r.store.PushNames(ctx, users); err != nil {
		return nil, "", fmt.Errorf("names: %w", err)
	}
	st, err := r.standings(ctx, []Ask{{User: users[0], Channel: c, Sender: users[0]}})
	if err != nil {
		return nil, "", err
	}
	return names, st[0].Group, nil
}
