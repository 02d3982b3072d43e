package history

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
)

// Bounds of a search.
const (
	maxQueryBytes  = 200
	maxQueryWords  = 8
	snippetRunes   = 160
	snippetBefore  = 40
	searchSettle   = 500 * time.Millisecond // how long a search waits for what was written just now
	maxSearchLimit = 50
)

// SearchStore keeps the words of messages and finds them.
type SearchStore interface {
	// Index adds the words of up to limit messages of a shard behind those indexed before; done says that all that is
	// archived is indexed. What is edited or deleted later, the archive itself keeps right.
	Index(ctx context.Context, shard, limit int) (n int, done bool, err error)
	// Indexed returns the position up to which every shard is indexed.
	Indexed(ctx context.Context, shards int) (fabric.Position, error)
	// Search returns up to limit messages that the user may read and that have all of the words, newest first.
	Search(ctx context.Context, q Query, limit int) ([]Hit, error)
}

// Query is what is searched for.
type Query struct {
	User    fabric.UserID
	Channel fabric.ChannelID // empty for all of the user's
	Words   []string         // as Words has them; of the last one the beginning is enough
	Now     int64
	Before  HitPlace // zero for the newest
}

// HitPlace is a place among hits, which are ordered by At and then by Target, both descending.
type HitPlace struct {
	At     int64
	Target int64 // of the database's own
}

// Hit is a message that was found.
type Hit struct {
	Shown
	Place HitPlace
}

// search answers weft.history.search.
func (r *Role) search(ctx context.Context, req contract.HistorySearchRequest) (contract.HistorySearchReply, error) {
	var none contract.HistorySearchReply
	q, err := r.query(req)
	if err != nil {
		return none, err
	}
	limit := contract.DefaultPage
	if req.Limit > 0 {
		limit = min(req.Limit, maxSearchLimit)
	}
	if err := r.indexer.settle(ctx); err != nil {
		return none, err
	}
	hits, err := r.store.Search(ctx, q, limit+1)
	if err != nil {
		return none, fmt.Errorf("search of %s: %w", q.User, err)
	}
	reply := contract.HistorySearchReply{Hits: []contract.SearchHit{}}
	if len(hits) > limit {
		hits = hits[:limit]
		reply.Cursor = encodeHit(hits[limit-1].Place)
	}
	msgs := make([]*Shown, len(hits))
	for i := range hits {
		msgs[i] = &hits[i].Shown
	}
	if err := r.decorateAll(ctx, q.User, q.Now, msgs); err != nil {
		return none, fmt.Errorf("search of %s: %w", q.User, err)
	}
	bytes := 0
	for i := range hits {
		if bytes += objectBytes(&hits[i].Shown); bytes > maxReplyBytes && i > 0 {
			reply.Cursor = encodeHit(hits[i-1].Place)
			break
		}
		reply.Hits = append(reply.Hits, contract.SearchHit{
			Message: object(&hits[i].Shown), Snippet: snippet(Searchable(hits[i].Kind, hits[i].Body), q.Words),
		})
	}
	return reply, nil
}

// query checks what is searched for.
func (r *Role) query(req contract.HistorySearchRequest) (Query, error) {
	q := Query{User: req.User, Channel: req.Channel, Now: fabric.Millis(r.cfg.Now())}
	if _, err := fabric.ParseUserID(string(req.User)); err != nil {
		return q, err
	}
	if req.Channel != "" {
		if _, err := fabric.ParseChannelID(string(req.Channel)); err != nil {
			return q, err
		}
	}
	if len(req.Query) > maxQueryBytes || !utf8.ValidString(req.Query) {
		return q, fabric.Errorf(fabric.CodeBadRequest, "q: want up to %d bytes of text", maxQueryBytes)
	}
	for _, w := range split(req.Query) {
		if !slices.Contains(q.Words, w.word) {
			q.Words = append(q.Words, w.word)
		}
	}
	if len(q.Words) == 0 || len(q.Words) > maxQueryWords {
		return q, fabric.Errorf(fabric.CodeBadRequest, "q: want 1 to %d words of letters or digits", maxQueryWords)
	}
	var err error
	q.Before, err = decodeHit(req.Cursor)
	return q, err
}

func encodeHit(p HitPlace) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d %d", p.At, p.Target))
}

func decodeHit(cursor string) (p HitPlace, err error) {
	if cursor == "" {
		return p, nil
	}
	data, err := base64.RawURLEncoding.DecodeString(cursor)
	if err == nil {
		_, err = fmt.Sscanf(string(data), "%d %d", &p.At, &p.Target)
	}
	if err != nil || p.At <= 0 {
		return p, fabric.Errorf(fabric.CodeBadRequest, "the cursor is not one that a page of hits had")
	}
	return p, nil
}

// snippet returns the part of a text round the first word that was searched for, with all of those in it marked.
func snippet(text string, searched []string) []contract.SnippetPart {
	words := split(text)
	isHit := func(w word) bool {
		last := len(searched) - 1
		return slices.Contains(searched, w.word) || strings.HasPrefix(w.word, searched[last])
	}
	first := slices.IndexFunc(words, isHit)
	at := 0
	if first >= 0 {
		at = words[first].start
	}
	start := backwards(text, at, snippetBefore)
	end := forwards(text, start, snippetRunes)
	parts := []contract.SnippetPart{}
	add := func(s string, hit bool) {
		s = strings.Map(func(r rune) rune {
			if unicode.IsControl(r) {
				return ' '
			}
			return r
		}, s)
		if n := len(parts); n > 0 && parts[n-1].Hit == hit {
			parts[n-1].Text += s
		} else if s != "" {
			parts = append(parts, contract.SnippetPart{Text: s, Hit: hit})
		}
	}
	if start > 0 {
		add("…", false)
	}
	from := start
	for _, w := range words {
		if w.start < from || w.end > end || !isHit(w) {
			// Pairs of characters overlap: what is marked already is not marked again, but its end may be.
			if w.start < from && w.end > from && w.end <= end && isHit(w) {
				add(text[from:w.end], true)
				from = w.end
			}
			continue
		}
		add(text[from:w.start], false)
		add(text[w.start:w.end], true)
		from = w.end
	}
	add(text[from:end], false)
	if end < len(text) {
		add("…", false)
	}
	return parts
}

// backwards returns a place up to n characters before at, at the beginning of a word if there is one.
func backwards(text string, at, n int) int {
	i := at
	for range n {
		_, size := utf8.DecodeLastRuneInString(text[:i])
		i -= size
	}
	if i == 0 {
		return 0
	}
	if j := strings.IndexFunc(text[i:at], unicode.IsSpace); j >= 0 {
		return i + j + 1
	}
	return i
}

// forwards returns a place up to n characters behind at, at the end of a word if there is one near it.
func forwards(text string, at, n int) int {
	i := at
	for range n {
		if i >= len(text) {
			return len(text)
		}
		_, size := utf8.DecodeRuneInString(text[i:])
		i += size
	}
	if i < len(text) {
		if j := strings.LastIndexFunc(text[at:i], unicode.IsSpace); j > (i-at)/2 {
			return at + j
		}
	}
	return i
}
