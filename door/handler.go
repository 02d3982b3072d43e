package door

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// addressKey is where a request's context has its client's address.
type addressKey struct{}

// AddressOf returns the client's address of a request that came through a door; the connection's own for one that didn't.
func AddressOf(r *http.Request) netip.Addr {
	if a, ok := r.Context().Value(addressKey{}).(netip.Addr); ok {
		return a
	}
	return parseAddress(r.RemoteAddr)
}

// Headers of every answer. What the page itself may do is its own header's to say (package web).
var headers = map[string]string{
	"X-Content-Type-Options":       "nosniff",
	"X-Frame-Options":              "DENY",
	"Referrer-Policy":              "no-referrer",
	"Cross-Origin-Opener-Policy":   "same-origin",
	"Cross-Origin-Resource-Policy": "same-origin",
	"Permissions-Policy":           "camera=(), microphone=(self), geolocation=(), payment=(), usb=()",
	// An answer of the API that a browser is made to show as a page does nothing.
	"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
}

// hsts is for servers that have TLS themselves (RFC 6797): a year.
const hsts = "max-age=31536000"

// What pages of other origins may ask, where they are allowed to (the Fetch standard's CORS).
const (
	corsMethods = "GET, HEAD, POST, PUT, PATCH, DELETE"
	corsHeaders = "Authorization, Content-Type, If-None-Match, If-Range, Range, Tus-Resumable, Upload-Checksum, Upload-Length, Upload-Metadata, Upload-Offset"
	corsMaxAge  = "7200"
)

// Handler gives requests the client's address, and answers the headers that browsers heed. A page of an origin that is
// not allowed gets no WebSocket, and no answer that it may read.
func (d *Door) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p, ok := r.Context().Value(progressKey{}).(*progress); ok && p != nil {
			p.Store(asked)
		}
		h := w.Header()
		for name, value := range headers {
			h.Set(name, value)
		}
		if d.TLSConfig() != nil {
			h.Set("Strict-Transport-Security", hsts)
		}
		if d.cfg.Local && !d.local(r.Host) {
			d.requests.WithLabelValues(foreignHost).Inc()
			refuse(w, http.StatusMisdirectedRequest, "forbidden", "in dev mode this server is for its own machine, by the name localhost or an address: --dev off, or name https://"+clip(r.Host)+" by --origins")
			return
		}
		if headerBytes(r) > d.cfg.HeaderBytes {
			d.requests.WithLabelValues(tooLarge).Inc()
			refuse(w, http.StatusRequestHeaderFieldsTooLarge, "too_large", "the request's line and headers are over "+strconv.Itoa(d.cfg.HeaderBytes)+" bytes")
			return
		}
		origin := r.Header.Get("Origin")
		foreign := origin != "" && !sameOrigin(origin, r.Host)
		if foreign {
			h.Add("Vary", "Origin")
			allowed := slices.Contains(d.cfg.Origins, "*") || slices.Contains(d.cfg.Origins, origin)
			switch {
			case !allowed && (r.Method == http.MethodOptions || strings.EqualFold(r.Header.Get("Upgrade"), "websocket") || r.Method != http.MethodGet && r.Method != http.MethodHead):
				d.requests.WithLabelValues(foreignOrigin).Inc()
				refuse(w, http.StatusForbidden, "forbidden", "pages of origin "+clip(origin)+" may not use this server")
				return
			case allowed:
				h.Set("Access-Control-Allow-Origin", origin)
				h.Set("Access-Control-Expose-Headers", "Accept-Ranges, Content-Range, ETag, Location, Retry-After, Tus-Resumable, Upload-Expires, Upload-Length, Upload-Offset, Weft-Media")
				h.Set("Cross-Origin-Resource-Policy", "cross-origin")
			}
			if allowed && r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
				h.Set("Access-Control-Allow-Methods", corsMethods)
				h.Set("Access-Control-Allow-Headers", corsHeaders)
				h.Set("Access-Control-Max-Age", corsMaxAge)
				w.WriteHeader(http.StatusNoContent)
				return
			}
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), addressKey{}, d.Address(r))))
	})
}

// sameOrigin reports whether an origin is of the server itself: of the name by which the request reached it. Its scheme is
// not compared, since a proxy in front may have TLS where we have none.
func sameOrigin(origin, host string) bool {
	scheme, of, ok := strings.Cut(origin, "://")
	return ok && (scheme == "https" || scheme == "http") && host != "" && strings.EqualFold(of, host)
}

func clip(s string) string {
	if len(s) > 100 {
		return s[:100] + "…"
	}
	return s
}

// local reports whether a request's host is a name of this machine's that no stranger can give an address to, or one of
// the origins that are allowed.
func (d *Door) local(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.ToLower(strings.Trim(name, "[]"))
	if _, err := netip.ParseAddr(name); err == nil || name == "localhost" || strings.HasSuffix(name, ".localhost") { // RFC 6761, 6.3
		return true
	}
	return slices.ContainsFunc(d.cfg.Origins, func(o string) bool { return sameOrigin(o, host) })
}

// refuse answers as the rest of the API does (RFC 9457).
func refuse(w http.ResponseWriter, status int, code, detail string) {
	body, err := json.Marshal(struct {
		Type   string `json:"type"`
		Title  string `json:"title"`
		Status int    `json:"status"`
		Code   string `json:"code"`
		Detail string `json:"detail"`
	}{"about:blank", http.StatusText(status), status, code, detail})
	if err != nil {
		http.Error(w, http.StatusText(status), status)
		return
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that is gone is no error of ours
}
