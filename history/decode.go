package history

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/weft-im/weft/fabric"
)

// decode reads a record's payload as a message whose body is one line. The usual payload is as fabric.AppendPayload
// writes it and is cut, not decoded: one allocation for its three words, and the body stays where it lies. Any other
// JSON object with these fields is as good, only slower.
func decode(payload []byte) (fabric.Message, error) {
	m, ok := cut(payload)
	if !ok {
		m = fabric.Message{} // what cut has left in it lies in payload
		if err := json.Unmarshal(payload, &m); err != nil {
			return fabric.Message{}, fmt.Errorf("not a message's JSON: %w", err)
		}
		var line bytes.Buffer
		if len(m.Body) > 0 {
			if err := json.Compact(&line, m.Body); err != nil {
				return fabric.Message{}, fmt.Errorf("not a message's JSON: %w", err)
			}
			m.Body = line.Bytes()
		}
	}
	switch _, err := fabric.ParseUserID(string(m.From)); {
	case err != nil:
		return fabric.Message{}, fmt.Errorf("from: %w", err)
	case !fabric.ValidCID(m.CID):
		return fabric.Message{}, errors.New("cid is not a UUID in lower-case text")
	case !fabric.ValidKind(m.Kind):
		return fabric.Message{}, errors.New("kind is not a kind's name")
	case len(m.Body) == 0:
		return fabric.Message{}, errors.New("there is no body")
	case len(m.Body) > fabric.MaxBodyBytes:
		return fabric.Message{}, fmt.Errorf("the body has %d bytes, more than %d", len(m.Body), fabric.MaxBodyBytes)
	}
	return m, nil
}

// The words between a payload's values, as fabric.AppendPayload writes them.
const (
	beforeFrom = `{"from":"`
	beforeCID  = `","cid":"`
	beforeKind = `","kind":"`
	beforeBody = `","body":`
	onlyField  = `,"only":true`
)

// cut reads the one layout that AppendPayload writes; ok is false for any other, which may be sound all the same.
func cut(p []byte) (m fabric.Message, ok bool) {
	if !fabric.IsPayload(p) || !bytes.HasPrefix(p, []byte(beforeFrom)) {
		return m, false
	}
	// No value before the body can have a quote or an escape in it, and decode checks that they have not.
	rest := p[len(beforeFrom) : len(p)-1]
	body := bytes.Index(rest, []byte(beforeBody))
	if body < 0 {
		return m, false
	}
	words := string(rest[:body])
	cid := indexAt(words, fabric.IDLen, beforeCID)
	if cid < 0 {
		return m, false
	}
	kind := indexAt(words, cid+len(beforeCID)+fabric.IDLen, beforeKind)
	if kind < 0 {
		return m, false
	}
	m.From = fabric.UserID(words[:cid])
	m.CID = words[cid+len(beforeCID) : kind]
	m.Kind = words[kind+len(beforeKind):]
	m.Body = rest[body+len(beforeBody):]
	if fabric.IsOnly(p) {
		m.Body, m.Only = m.Body[:len(m.Body)-len(onlyField)], true
	}
	return m, json.Valid(m.Body)
}

// indexAt returns i if word stands at s[i:], otherwise -1.
func indexAt(s string, i int, word string) int {
	if len(s) < i+len(word) || s[i:i+len(word)] != word {
		return -1
	}
	return i
}
