package importer_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/edge/edgetest"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/service"
	"github.com/weft-im/weft/subjects"
	"github.com/weft-im/weft/weftest"
	"github.com/weft-im/weft/whatsapp"
	"github.com/weft-im/weft/whatsapp/importer"
)

// world is a fabric with three people and a group of them.
type world struct {
	*edgetest.Fabric
	edge          *edgetest.Edge
	nc            *nats.Conn
	ann, bob, cyd client.Grant
	group         fabric.ChannelID
}

func start(t *testing.T) *world {
	t.Helper()
	w := &world{Fabric: edgetest.Start(t, edgetest.Config{})}
	w.edge = w.Edge(t)
	w.nc = w.NATS.Connect(t)
	w.ann, w.bob, w.cyd = w.User(t, w.edge, "Ann"), w.User(t, w.edge, "Bob"), w.User(t, w.edge, "Cyd")
	g, err := service.Call[contract.ChatsCreateReply](t.Context(), w.nc, subjects.ChatsCreate, contract.ChatsCreateRequest{
		User: w.ann.User.ID, Name: "Trip", Members: []fabric.UserID{w.bob.User.ID, w.cyd.User.ID},
	})
	if err != nil {
		t.Fatal(err)
	}
	w.group = g.Channel
	return w
}

func chat(t *testing.T, text string) *whatsapp.Chat {
	t.Helper()
	c, err := whatsapp.Parse(strings.NewReader(text), whatsapp.Options{Zone: time.UTC})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (w *world) importer(t *testing.T, cfg importer.Config) *importer.Importer {
	t.Helper()
	im, err := importer.New(t.Context(), w.nc, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return im
}

func plan(t *testing.T, im *importer.Importer, c *whatsapp.Chat) *importer.Plan {
	t.Helper()
	p, err := im.Plan(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func carryOut(t *testing.T, im *importer.Importer, c *whatsapp.Chat) (*importer.Plan, importer.Result) {
	t.Helper()
	p := plan(t, im, c)
	res, err := im.Run(t.Context(), p, func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	return p, res
}

// message is a message of the channel's history.
type message struct {
	Seq  uint64
	From fabric.UserID
	CID  string
	Kind string
	Body struct {
		Text     string
		Imported *struct {
			At                       int64
			From                     string
			Edited, Deleted, Omitted bool
			Part, Parts              int
		}
		Attachments []struct {
			Name string
			Size int64
		}
	}
}

// history returns all that was imported, as a member reads it.
func (w *world) history(t *testing.T, c fabric.ChannelID) []message {
	t.Helper()
	var all []message
	after := uint64(0)
	for {
		page, err := service.Call[contract.HistoryPageReply](t.Context(), w.nc, subjects.HistoryPage,
			contract.HistoryPageRequest{User: w.ann.User.ID, Channel: c, After: &after, Limit: contract.MaxPage})
		if err != nil {
			t.Fatal(err)
		}
		for _, object := range page.Messages {
			var m message
			if err := json.Unmarshal(object, &m); err != nil {
				t.Fatal(err)
			}
			after = m.Seq
			if m.Body.Imported != nil {
				all = append(all, m)
			}
		}
		if !page.More {
			return all
		}
	}
}

const trip = `31.12.23, 23:58 - Nachrichten und Anrufe sind Ende-zu-Ende-verschlüsselt.
31.12.23, 23:58 - Ann hat die Gruppe „Trip“ erstellt.
31.12.23, 23:59 - Ann: first
with a second line
31.12.23, 23:59 - Bobby: "second" <b>
01.01.24, 00:00 - Ann: again
01.01.24, 00:00 - Ann: again
01.01.24, 00:01 - Zoé: IMG-20240101-WA0001.jpg (Datei angehängt)
01.01.24, 00:02 - Bobby: <Medien ausgeschlossen>
01.01.24, 00:03 - Bobby: Diese Nachricht wurde gelöscht.
01.01.24, 00:04 - Bobby: better <Diese Nachricht wurde bearbeitet.>
01.01.24, 00:05 - Ann: Verpasster Sprachanruf
01.01.24, 00:06 - Ann:
`

func TestImport(t *testing.T) {
	w := start(t)
	im := w.importer(t, importer.Config{
		Channel: w.group, As: map[string]fabric.UserID{"Bobby": w.bob.User.ID}, From: w.cyd.User.ID,
	})
	c := chat(t, trip)
	p, res := carryOut(t, im, c)
	if p.Messages != 9 || p.System != 3 || p.Empty != 1 || p.Missing != 1 || p.Found != 0 || p.Omitted != 1 || p.Deleted != 1 || p.Edited != 1 ||
		p.Records != 11 || p.There != 0 || p.New != 11 || res.Added != p.New || res.There != 0 {
		t.Errorf("%+v, %+v", p, res)
	}
	var authors []string
	for _, a := range p.Authors {
		authors = append(authors, fmt.Sprintf("%s %d %s %s", a.Name, a.Messages, a.User.Name, a.How))
	}
	if got, want := strings.Join(authors, ", "), "Ann 4 Ann by name, Bobby 4 Bob as said, Zoé 1 Cyd stands for them"; got != want {
		t.Errorf("authors are %s, want %s", got, want)
	}
	ann, bob, cyd := w.ann.User.ID, w.bob.User.ID, w.cyd.User.ID
	last := time.Date(2023, 12, 31, 23, 59, 0, 0, time.UTC).UnixMilli()
	want := []struct {
		from fabric.UserID
		kind string
		text string
		by   string
		at   int64
	}{
		{cyd, importer.KindSystem, "Nachrichten und Anrufe sind Ende-zu-Ende-verschlüsselt.", "", last - 60_000},
		{cyd, importer.KindSystem, "Ann hat die Gruppe „Trip“ erstellt.", "", last - 60_000},
		{ann, "text", "first\nwith a second line", "Ann", last},
		{bob, "text", `"second" <b>`, "Bobby", last},
		{ann, "text", "again", "Ann", last + 60_000},
		{ann, "text", "again", "Ann", last + 60_000},
		{cyd, "text", "IMG-20240101-WA0001.jpg", "Zoé", last + 120_000},
		{bob, "text", "<Medien ausgeschlossen>", "Bobby", last + 180_000},
		{bob, "text", "Diese Nachricht wurde gelöscht.", "Bobby", last + 240_000},
		{bob, "text", "better", "Bobby", last + 300_000},
		{ann, importer.KindSystem, "Verpasster Sprachanruf", "Ann", last + 360_000},
	}
	got := w.history(t, w.group)
	if len(got) != len(want) {
		t.Fatalf("%d messages, want %d: %+v", len(got), len(want), got)
	}
	for i, m := range got {
		x := want[i]
		if m.From != x.from || m.Kind != x.kind || m.Body.Text != x.text || m.Body.Imported.From != x.by || m.Body.Imported.At != x.at {
			t.Errorf("message %d is %+v %+v, want %+v", i, m, m.Body.Imported, x)
		}
	}
	if a := got[6].Body.Attachments; len(a) != 1 || a[0].Name != "IMG-20240101-WA0001.jpg" {
		t.Errorf("%+v", a)
	}
	if !got[7].Body.Imported.Omitted || !got[8].Body.Imported.Deleted || !got[9].Body.Imported.Edited {
		t.Errorf("%+v", got[7:])
	}
}

// The same file again adds nothing, whoever its authors are said to be; a longer one adds what is new.
func TestImportAgain(t *testing.T) {
	w := start(t)
	cfg := importer.Config{Channel: w.group, From: w.cyd.User.ID}
	carryOut(t, w.importer(t, cfg), chat(t, trip))
	before := w.history(t, w.group)

	p, res := carryOut(t, w.importer(t, cfg), chat(t, trip))
	if p.New != 0 || p.There != p.Records || res.Added != 0 {
		t.Errorf("again: %+v, %+v", p, res)
	}
	other := importer.Config{Channel: w.group, From: w.ann.User.ID, As: map[string]fabric.UserID{"Ann": w.bob.User.ID}}
	if p, res := carryOut(t, w.importer(t, other), chat(t, trip)); p.New != 0 || res.Added != 0 {
		t.Errorf("as others: %+v, %+v", p, res)
	}
	longer := chat(t, "30.12.23, 10:00 - Ann: before\n"+trip+"02.01.24, 10:00 - Ann: again\n01.01.24, 00:00 - Ann: again\n")
	if p, res := carryOut(t, w.importer(t, cfg), longer); p.New != 3 || p.There != len(before) || res.Added != 3 {
		t.Errorf("longer: %+v, %+v", p, res)
	}
	after := w.history(t, w.group)
	if len(after) != len(before)+3 {
		t.Fatalf("%d messages after %d", len(after), len(before))
	}
	for i := range before {
		if before[i].Seq != after[i].Seq {
			t.Errorf("message %d moved", i)
		}
	}
}

// What a member has deleted for themselves or for everyone does not come back.
func TestImportLeavesDeleted(t *testing.T) {
	w := start(t)
	cfg := importer.Config{Channel: w.group, From: w.ann.User.ID}
	carryOut(t, w.importer(t, cfg), chat(t, trip))
	before := w.history(t, w.group)
	forAll, forAnn := before[4], before[5]
	c := edgetest.Connect(t, w.edge, w.ann, "")
	reply := c.Call("send", map[string]any{
		"to": string(w.group), "cid": fabric.NewCID(), "kind": fabric.MsgDelete, "body": map[string]any{"seq": forAll.Seq},
	})
	if reply.Err() != "" {
		t.Fatalf("delete: %v", reply)
	}
	if _, err := service.CallRaw(t.Context(), w.nc, subjects.HistoryHide, contract.HistoryHideRequest{User: w.ann.User.ID, Channel: w.group, Seq: forAnn.Seq}); err != nil {
		t.Fatalf("hide: %v", err)
	}
	weftest.Eventually(t, "both are gone for Ann", func() bool { return len(w.history(t, w.group)) == len(before)-2 })
	if p, res := carryOut(t, w.importer(t, cfg), chat(t, trip)); p.New != 0 || res.Added != 0 {
		t.Errorf("%d come back", p.New)
	}
}

func TestImportIntoDirectChat(t *testing.T) {
	w := start(t)
	c := edgetest.Direct(w.ann, w.bob)
	// Bob is in the file by his phone, as one who is in nobody's contacts.
	phone := w.bob.User.Phone
	text := fmt.Sprintf("[31.12.23, 23:59:59] Ann: hi\n[01.01.24, 00:00:00] \u202a%s %s %s\u202c: ho\n", phone[:3], phone[3:6], phone[6:])
	p, res := carryOut(t, w.importer(t, importer.Config{Channel: c}), chat(t, text))
	if res.Added != 2 || p.Authors[0].How != importer.ByName || p.Authors[1].How != importer.ByPhone {
		t.Errorf("%+v %+v", p.Authors, res)
	}
	got := w.history(t, c)
	if len(got) != 2 || got[0].From != w.ann.User.ID || got[1].From != w.bob.User.ID {
		t.Errorf("%+v", got)
	}
	// It is in the list of both: the chat was opened before its first message.
	for _, u := range []client.Grant{w.ann, w.bob} {
		list, err := service.Call[contract.ChatsListReply](t.Context(), w.nc, subjects.ChatsList, contract.ChatsListRequest{User: u.User.ID})
		if err != nil || !slices.ContainsFunc(list.Channels, func(x contract.Channel) bool { return x.ID == c && x.Last != nil }) {
			t.Errorf("%s has %+v, %v", u.User.Name, list.Channels, err)
		}
	}
}

// A member who is there while a chat is imported gets it live, in order.
func TestImportIsLive(t *testing.T) {
	w := start(t)
	c := edgetest.Connect(t, w.edge, w.bob, "")
	carryOut(t, w.importer(t, importer.Config{Channel: w.group, From: w.ann.User.ID}), chat(t, trip))
	var seqs []uint64
	for len(seqs) < 11 {
		m := c.Event("message")
		if m["channel"] == string(w.group) && (m["kind"] == "text" || m["kind"] == importer.KindSystem) {
			seqs = append(seqs, m.Num("seq"))
		}
	}
	if !slices.IsSorted(seqs) {
		t.Errorf("%v", seqs)
	}
}

// long is a chat of n messages.
func long(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "[%02d.01.24, %02d:%02d:%02d] Ann: message %d\n", 1+i/86_400, i/3600%24, i/60%60, i%60, i)
	}
	return b.String()
}

// An import that breaks off goes on with the next one: each message once, in order.
func TestImportBrokenOff(t *testing.T) {
	w := start(t)
	const n = 3000
	c := chat(t, long(n))
	cfg := importer.Config{Channel: w.group, From: w.ann.User.ID}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	im := w.importer(t, cfg)
	_, err := im.Run(ctx, plan(t, im, c), func(done int) {
		if done >= n/3 {
			stop()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("it ended with %v", err)
	}
	p, res := carryOut(t, w.importer(t, cfg), c)
	if p.There < n/3 || p.There >= n || res.Added+res.There != p.New {
		t.Errorf("%d there, %d new, %+v", p.There, p.New, res)
	}
	inOrder(t, w.history(t, w.group), n)
}

func inOrder(t *testing.T, got []message, n int) {
	t.Helper()
	if len(got) != n {
		t.Fatalf("%d messages, want %d", len(got), n)
	}
	for i, m := range got {
		if m.Body.Text != fmt.Sprintf("message %d", i) {
			t.Fatalf("message %d is %q", i, m.Body.Text)
		}
	}
}

// A connection that breaks again and again costs nothing but time.
func TestImportOverABadLine(t *testing.T) {
	w := start(t)
	const n = 3000
	link := &edgetest.Link{}
	nc := w.NATS.Connect(t, nats.SetCustomDialer(link), nats.MaxReconnects(-1), nats.ReconnectWait(10*time.Millisecond))
	im, err := importer.New(t.Context(), nc, importer.Config{Channel: w.group, From: w.ann.User.ID})
	if err != nil {
		t.Fatal(err)
	}
	breaks := 0
	res, err := im.Run(t.Context(), plan(t, im, chat(t, long(n))), func(done int) {
		if done < n && breaks < 3 {
			breaks++
			link.Break()
		}
	})
	if err != nil || res.Added != n {
		t.Fatalf("%+v, %v", res, err)
	}
	if got := w.history(t, w.group); len(got) != n {
		t.Fatalf("%d messages, want %d", len(got), n)
	}
}

// A text that is too long for one message becomes several, which come in order and once.
func TestImportLongText(t *testing.T) {
	w := start(t)
	text := strings.TrimSpace(strings.Repeat("so long a text ", 10_000))
	c := chat(t, "[31.12.23, 23:59:59] Ann: "+text+"\n[31.12.23, 23:59:59] Ann: end\n")
	cfg := importer.Config{Channel: w.group}
	cfg.From = w.ann.User.ID
	p, res := carryOut(t, w.importer(t, cfg), c)
	if p.Messages != 2 || p.Records != 5 || res.Added != 5 {
		t.Errorf("%+v %+v", p, res)
	}
	var parts strings.Builder
	got := w.history(t, w.group)
	for i, m := range got[:len(got)-1] {
		if m.Body.Imported.Part != i+1 || m.Body.Imported.Parts != 4 {
			t.Errorf("%+v", m.Body.Imported)
		}
		parts.WriteString(m.Body.Text)
	}
	if parts.String() != text || got[4].Body.Imported.Parts != 0 {
		t.Error("the parts are not the text")
	}
	if p := plan(t, w.importer(t, cfg), c); p.New != 0 {
		t.Errorf("%d again", p.New)
	}
}

func TestRefused(t *testing.T) {
	w := start(t)
	stranger := w.User(t, w.edge, "Eve")
	anns := w.User(t, w.edge, "Ann") // a second one
	two := edgetest.Direct(w.ann, anns)
	for _, c := range []struct {
		name string
		cfg  importer.Config
		code fabric.Code
		says string
	}{
		{"no channel", importer.Config{Channel: "trip"}, fabric.CodeBadRequest, "channel"},
		{"a self channel", importer.Config{Channel: fabric.Self(w.ann.User.ID)}, fabric.CodeBadRequest, "self"},
		{"nobody of the group", importer.Config{Channel: w.group}, fabric.CodeBadRequest, "member of the group"},
		{"no member", importer.Config{Channel: w.group, From: stranger.User.ID}, fabric.CodeForbidden, ""},
		{"an author who is no member", importer.Config{Channel: w.group, From: w.ann.User.ID, As: map[string]fabric.UserID{"Bobby": stranger.User.ID}}, fabric.CodeBadRequest, `"Bobby"`},
		{"an author who did not write", importer.Config{Channel: w.group, From: w.ann.User.ID, As: map[string]fabric.UserID{"Bobbi": w.bob.User.ID}}, fabric.CodeBadRequest, `"Bobby"`},
		{"authors who are nobody", importer.Config{Channel: w.group, As: map[string]fabric.UserID{"Ann": w.ann.User.ID}}, fabric.CodeBadRequest, `"Bobby", "Zoé"`},
		{"a name that two have", importer.Config{Channel: two}, fabric.CodeBadRequest, `"Ann"`},
		{"no such group", importer.Config{Channel: fabric.NewGroupID().Channel(), From: w.ann.User.ID}, fabric.CodeForbidden, ""},
		{"no such user", importer.Config{Channel: fabric.Direct(w.ann.User.ID, fabric.NewUserID())}, fabric.CodeNotFound, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := func() error {
				im, err := importer.New(t.Context(), w.nc, c.cfg)
				if err != nil {
					return err
				}
				p, err := im.Plan(t.Context(), chat(t, trip))
				if err != nil {
					return err
				}
				_, err = im.Run(t.Context(), p, func(int) {})
				return err
			}()
			if fabric.CodeOf(err) != c.code || !strings.Contains(fmt.Sprint(err), c.says) {
				t.Errorf("got %v, want %s with %s", err, c.code, c.says)
			}
		})
	}
	if got := w.history(t, w.group); len(got) > 0 {
		t.Errorf("%d messages were imported all the same", len(got))
	}
	im := w.importer(t, importer.Config{Channel: w.group, From: w.ann.User.ID})
	p := plan(t, im, chat(t, "1/2/23, 21:05 - Ann: hi\n"))
	if _, err := im.Run(t.Context(), p, func(int) {}); fabric.CodeOf(err) != fabric.CodeBadRequest || !strings.Contains(err.Error(), "day from month") {
		t.Errorf("a guess: %v", err)
	}
}

// Who has blocked the other is not written to by an import either.
func TestBlocked(t *testing.T) {
	w := start(t)
	if _, err := service.CallRaw(t.Context(), w.nc, subjects.UsersBlock, contract.UsersBlockRequest{User: w.ann.User.ID, Other: w.bob.User.ID, On: true}); err != nil {
		t.Fatalf("block: %v", err)
	}
	im := w.importer(t, importer.Config{Channel: edgetest.Direct(w.ann, w.bob), From: w.bob.User.ID})
	if _, err := im.Run(t.Context(), plan(t, im, chat(t, "[31.12.23, 23:59:59] Bob: hi\n")), func(int) {}); fabric.CodeOf(err) != fabric.CodeForbidden {
		t.Errorf("got %v", err)
	}
}

// A chat in which nobody wrote has lines all the same, and they are from somebody.
func TestImportOfSystemLines(t *testing.T) {
	w := start(t)
	c := edgetest.Direct(w.ann, w.bob)
	carryOut(t, w.importer(t, importer.Config{Channel: c}), chat(t, "31.12.23, 23:58 - Nachrichten und Anrufe sind Ende-zu-Ende-verschlüsselt.\n"))
	if got := w.history(t, c); len(got) != 1 || got[0].Kind != importer.KindSystem || (got[0].From != w.ann.User.ID && got[0].From != w.bob.User.ID) {
		t.Errorf("%+v", got)
	}
}

func TestPreview(t *testing.T) {
	w := start(t)
	im := w.importer(t, importer.Config{Channel: w.group, As: map[string]fabric.UserID{"Bobby": w.bob.User.ID}})
	var b strings.Builder
	if _, err := plan(t, im, chat(t, trip)).WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf(`from     the chat: 9 messages of 3 people, 3 system lines
         2023-12-31 23:58 to 2024-01-01 00:06, UTC (dates are day.month.year)
into     group "Trip", %s
authors  "Ann", 4 messages: "Ann" %s (by name)
         "Bobby", 4 messages: "Bob" %s (as said)
         "Zoé", 1 messages: NOBODY: not mapped
files    0 in the export, 1 missing, 1 left out by WhatsApp (only their names are imported)
besides  1 deleted, 1 edited, 1 empty ones that are left out
there    0 of 11 are in the channel already
to add   11
`, w.group, w.ann.User.ID, w.bob.User.ID)
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
	if got := w.history(t, w.group); len(got) > 0 {
		t.Errorf("a preview wrote %d messages", len(got))
	}
}
