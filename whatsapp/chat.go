package whatsapp

import "time"

// Bounds of an export. Real ones have at most 40,000 messages.
const (
	MaxTextBytes    = 128 << 20 // the text, unpacked
	MaxLineBytes    = 1 << 20
	MaxMessageBytes = 1 << 20 // all lines of a message
	MaxMessages     = 1 << 20
	MaxEntries      = 100_000  // files in a .zip
	MaxIndexBytes   = 64 << 20 // of a .zip's directory
	MaxNameBytes    = 255      // of a file's name, and of an author's
	MaxAttachments  = 8        // of a message; what it names more stays in its text
)

// Order is in which order an export's dates have day, month and year.
type Order int

// The orders. Auto lets the file decide; DayFirst and MonthFirst are for a file that can't: one that begins its dates
// with a year of four digits is read by that.
const (
	Auto Order = iota
	DayFirst
	MonthFirst
	YearFirst
)

func (o Order) String() string {
	return [...]string{"auto", "day.month.year", "month/day/year", "year-month-day"}[o]
}

// Options say how an export is read.
type Options struct {
	Zone  *time.Location // of the phone that exported; nil is the local one
	Order Order
	Now   time.Time // no message is from later than two days after it; zero is the present
}

// Chat is an export that was read.
type Chat struct {
	Name     string // of the other one or the group, as the files' names have it; may be empty
	Messages []Message
	Order    Order // as it was read
	// Guessed says that nothing in the file tells day from month: Order is the likelier one.
	Guessed bool
}

// Message is one entry of an export, in the file's order.
type Message struct {
	Line   int       // where it begins in the text, from 1
	At     time.Time // to the second on iOS, to the minute on Android
	Author string    // "" for a system line, but for a call's: who called
	// Text is as the phone showed it, lines joined by \n and without WhatsApp's marks. What has nothing but a mark (media
	// that were left out, a message that was deleted) keeps that mark's words.
	Text        string
	Attachments []Attachment
	System      bool // WhatsApp itself says it: who joined, who called
	Notice      bool // the system line about encryption, which WhatsApp dates anew with every export
	Deleted     bool
	Edited      bool
	Omitted     bool // it had media, which the export leaves out
}

// Attachment is a file that a message names.
type Attachment struct {
	Name  string // no path
	Size  int64  // bytes; 0 where it is missing
	Found bool   // it is in the .zip
}

// Authors returns who wrote, in the order in which they first did. Who only called is not among them.
func (c *Chat) Authors() []string {
	var names []string
	seen := make(map[string]bool)
	for _, m := range c.Messages {
		if !m.System && !seen[m.Author] {
			seen[m.Author] = true
			names = append(names, m.Author)
		}
	}
	return names
}
