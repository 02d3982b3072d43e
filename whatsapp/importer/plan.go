package importer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/whatsapp"
)

// Plan is what an import would do.
type Plan struct {
	Title   string // of the channel
	Channel fabric.ChannelID
	Chat    *whatsapp.Chat
	Authors []Author // in the order in which they first wrote

	Messages int // of people
	System   int // WhatsApp's own lines, calls among them
	Empty    int // messages that say nothing, and are left out
	Found    int // attachments that are in the file
	Missing  int // and that are not
	Omitted  int // messages whose media WhatsApp left out
	Deleted  int
	Edited   int

	First, Last time.Time

	Records int // messages of the channel that the file's become: more where a text is too long for one
	There   int // of them that the channel has
	New     int // of them that it has not

	records []record // the new ones, in the file's order
}

// Unmapped returns the authors who are no members, with nobody to stand for them.
func (p *Plan) Unmapped() []string {
	var names []string
	for _, a := range p.Authors {
		if a.User == nil {
			names = append(names, a.Name)
		}
	}
	return names
}

// Ready says, with CodeBadRequest, why the plan can't be carried out yet.
func (p *Plan) Ready() error {
	if names := p.Unmapped(); len(names) > 0 {
		return fabric.Errorf(fabric.CodeBadRequest, "no member of channel %s is %s: say who they are, or who stands for them", p.Channel, list(names))
	}
	if p.Chat.Guessed {
		return fabric.Errorf(fabric.CodeBadRequest, "nothing in the file tells day from month, read as %s: say which comes first", p.Chat.Order)
	}
	return nil
}

// Plan says what an import of the chat would do. It changes nothing. The error has CodeBadRequest where the
// configuration does not fit the chat or the channel.
func (im *Importer) Plan(ctx context.Context, c *whatsapp.Chat) (*Plan, error) {
	if len(c.Messages) == 0 {
		return nil, errors.New("a chat without messages")
	}
	who, err := im.people(ctx)
	if err != nil {
		return nil, err
	}
	p := &Plan{Title: who.title, Channel: im.cfg.Channel, Chat: c}
	if p.Authors, err = im.authors(ctx, c, who); err != nil {
		return nil, err
	}
	p.count()
	from := make(map[string]fabric.UserID)
	system := im.cfg.From
	for _, a := range p.Authors {
		if a.User != nil {
			from[a.Name] = a.User.ID
			system = cmp.Or(system, a.User.ID)
		}
	}
	for _, u := range slices.Sorted(maps.Keys(who.members)) {
		system = cmp.Or(system, u) // of a file in which nobody wrote
	}
	all := records(im.cfg.Channel, c.Messages, from, system)
	cids := make(map[string]bool, len(all))
	for _, r := range all {
		cids[r.cid] = true
	}
	known, err := im.known(ctx, cids)
	if err != nil {
		return nil, err
	}
	for _, r := range all {
		if !known[r.cid] {
			p.records = append(p.records, r)
		}
	}
	p.Records, p.New = len(all), len(p.records)
	p.There = p.Records - p.New
	return p, nil
}

// count fills in what the file alone tells.
func (p *Plan) count() {
	for i := range p.Chat.Messages {
		m := &p.Chat.Messages[i]
		switch {
		case m.System:
			p.System++
		default:
			p.Messages++
		}
		if m.Text == "" && len(m.Attachments) == 0 {
			p.Empty++
		}
		for _, a := range m.Attachments {
			if a.Found {
				p.Found++
			} else {
				p.Missing++
			}
		}
		p.Omitted += one(m.Omitted)
		p.Deleted += one(m.Deleted)
		p.Edited += one(m.Edited)
		if p.First.IsZero() || m.At.Before(p.First) {
			p.First = m.At
		}
		if m.At.After(p.Last) {
			p.Last = m.At
		}
	}
}

func one(is bool) int {
	if is {
		return 1
	}
	return 0
}

// WriteTo shows the plan to people.
func (p *Plan) WriteTo(w io.Writer) (int64, error) {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	const at = "2006-01-02 15:04"
	name := ""
	if p.Chat.Name != "" {
		name = fmt.Sprintf(" with %q", p.Chat.Name)
	}
	fmt.Fprintf(t, "from\tthe chat%s: %d messages of %d people, %d system lines\n", name, p.Messages, len(p.Authors), p.System)
	fmt.Fprintf(t, "\t%s to %s, %s (dates are %s%s)\n", p.First.Format(at), p.Last.Format(at), zone(p.First), p.Chat.Order, guessed(p.Chat))
	fmt.Fprintf(t, "into\t%s, %s\n", p.Title, p.Channel)
	for i, a := range p.Authors {
		title := ""
		if i == 0 {
			title = "authors"
		}
		is := "NOBODY: not mapped"
		if a.User != nil {
			is = fmt.Sprintf("%q %s (%s)", a.User.Name, a.User.ID, a.How)
		}
		fmt.Fprintf(t, "%s\t%q, %d messages: %s\n", title, a.Name, a.Messages, is)
	}
	fmt.Fprintf(t, "files\t%d in the export, %d missing, %d left out by WhatsApp (only their names are imported)\n", p.Found, p.Missing, p.Omitted)
	if p.Deleted+p.Edited+p.Empty > 0 {
		fmt.Fprintf(t, "besides\t%d deleted, %d edited, %d empty ones that are left out\n", p.Deleted, p.Edited, p.Empty)
	}
	fmt.Fprintf(t, "there\t%d of %d are in the channel already\n", p.There, p.Records)
	fmt.Fprintf(t, "to add\t%d\n", p.New)
	if err := t.Flush(); err != nil {
		return 0, err
	}
	n, err := io.WriteString(w, b.String())
	return int64(n), err
}

// zone names the time zone that a file was read in.
func zone(t time.Time) string {
	if t.Location() != time.Local {
		return t.Location().String()
	}
	name, _ := t.Zone()
	return name + ", this machine's time zone"
}

func guessed(c *whatsapp.Chat) string {
	if c.Guessed {
		return ", which is a guess"
	}
	return ""
}
