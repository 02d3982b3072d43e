package edge

import (
	"net/http"
	"strings"

	"github.com/weft-im/weft/docs"
	"github.com/weft-im/weft/fabric"
)

// unrouted answers what no route takes: a path that has routes for other methods with 405 and these, any other with 404.
func unrouted(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if allowed := methodsOf(mux, r); len(allowed) > 0 {
			w.Header().Set("Allow", strings.Join(allowed, ", "))
			problemWith(w, http.StatusMethodNotAllowed,
				fabric.Errorf(fabric.CodeBadRequest, "%s is for %s, not for %s", clip(r.URL.Path), strings.Join(allowed, ", "), clip(r.Method)))
			return
		}
		problem(w, fabric.Errorf(fabric.CodeNotFound, "there is no %s %s", clip(r.Method), clip(r.URL.Path)))
	})
}

// methodsOf returns the methods that a request's path has routes for.
func methodsOf(mux *http.ServeMux, r *http.Request) (allowed []string) {
	try := new(http.Request)
	*try = *r
	for _, m := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		try.Method = m
		if _, pattern := mux.Handler(try); strings.HasPrefix(pattern, m+" ") || (m == http.MethodHead && strings.HasPrefix(pattern, "GET ")) {
			allowed = append(allowed, m)
		}
	}
	return allowed
}

// documentRoutes serve the API's own documents, to anyone.
func documentRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /v1/openapi.yaml", func(w http.ResponseWriter, r *http.Request) { serve(w, r, "application/yaml", docs.OpenAPI) })
	mux.HandleFunc("GET /v1/asyncapi.yaml", func(w http.ResponseWriter, r *http.Request) { serve(w, r, "application/yaml", docs.AsyncAPI) })
}
