package webhook_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/weft-im/weft/webhook"
)

// FuzzAnswer holds a post to what its receiver says, whatever bytes these are: a yes is an answer of 2xx and nothing else.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		"HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "HTTP/1.1 410 Gone\r\n\r\n", "HTTP/1.1 500 x\r\n\r\n",
		"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n", "HTTP/1.1 307 x\r\nLocation: file:///etc/passwd\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 099 x\r\n\r\n",
		"HTTP/1.1 2000 OK\r\n\r\n", "HTTP/1.1 -200 OK\r\n\r\n", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", "", "\x00", "yes",
	} {
		f.Add([]byte(seed))
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.Fatal(err)
	}
	var mu sync.Mutex
	var answer []byte
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			say := answer
			mu.Unlock()
			_ = c.SetDeadline(time.Now().Add(2 * time.Second))
			if req, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
				_, _ = io.Copy(io.Discard, req.Body)
				_, _ = c.Write(say)
			}
			_ = c.Close()
		}
	}()
	f.Cleanup(func() {
		_ = l.Close()
		<-ended
	})
	f.Fuzz(func(t *testing.T, say []byte) {
		mu.Lock()
		answer = say
		mu.Unlock()
		poster, err := webhook.New("http://"+l.Addr().String()+"/hook", webhook.NewSecret())
		if err != nil {
			t.Fatal(err)
		}
		defer poster.Close()
		err = poster.Post(t.Context(), "msg_1", webhook.Event{Type: "message", Timestamp: time.Now(), Data: []byte(`{}`)})
		in := bufio.NewReader(bytes.NewReader(say))
		resp, bad := http.ReadResponse(in, nil)
		for bad == nil && resp.StatusCode < 200 && resp.StatusCode != http.StatusSwitchingProtocols {
			resp, bad = http.ReadResponse(in, nil) // interim ones come before
		}
		if bad == nil {
			defer resp.Body.Close()
		}
		if err == nil && (bad != nil || resp.StatusCode < 200 || resp.StatusCode > 299) {
			t.Fatalf("%q is taken for a yes", say)
		}
		if errors.Is(err, webhook.ErrGone) && (bad != nil || resp.StatusCode != http.StatusGone) {
			t.Fatalf("%q is taken for the end", say)
		}
	})
}
