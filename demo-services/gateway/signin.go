package gateway

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	userv1 "github.com/waybill-dev/waybill/demo-services/api/user/v1"
	"github.com/waybill-dev/waybill/demo-services/platform"
)

// identity is the key of a context's value: the id of the user who asks.
type identity struct{}

// signedIn is the id of the user who asks, or nothing if they have not said.
func signedIn(ctx context.Context) string {
	id, _ := ctx.Value(identity{}).(string)
	return id
}

// identified finds out who asks, and refuses tokens that are not valid. A
// request without any goes on: it is up to the route whether it must have one.
func (s *Server) identified(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := r.Header.Get("Authorization")
		if header == "" {
			next.ServeHTTP(w, r)
			return
		}
		scheme, token, _ := strings.Cut(header, " ")
		id, err := "", errTokenInvalid
		if strings.EqualFold(scheme, "Bearer") {
			id, err = s.verifier.subject(r.Context(), strings.TrimSpace(token))
		}
		switch {
		case errors.Is(err, errTokenExpired):
			refuseToken(w, r, "token-expired", "The token has expired; sign in again.")
		case errors.Is(err, errTokenInvalid):
			refuseToken(w, r, "invalid-token", "The token is not one of this shop.")
		case err != nil:
			s.fail(w, r, err)
		default:
			trace.SpanFromContext(r.Context()).SetAttributes(attribute.String("user.id", id))
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), identity{}, id)))
		}
	})
}

func refuseToken(w http.ResponseWriter, r *http.Request, code, detail string) {
	w.Header().Set("WWW-Authenticate", `Bearer realm="shop", error="invalid_token"`)
	platform.WriteProblem(w, r, *problem(http.StatusUnauthorized, code, detail))
}

// guests lets a route answer those who have not signed in, too, unless the
// shop takes no guests.
func (s *Server) guests(next http.HandlerFunc) http.HandlerFunc {
	if !s.limits.SignIn {
		return next
	}
	return func(w http.ResponseWriter, r *http.Request) {
		if signedIn(r.Context()) == "" {
			w.Header().Set("WWW-Authenticate", `Bearer realm="shop"`)
			platform.WriteProblem(w, r, *problem(http.StatusUnauthorized, "sign-in-required", "Sign in first: POST /api/v1/sessions."))
			return
		}
		next(w, r)
	}
}

// mayAct says whether who asks may act for the user: everybody for themselves,
// and guests, who have not said who they are, for anybody.
func mayAct(ctx context.Context, userID string) bool {
	id := signedIn(ctx)
	return id == "" || id == userID
}

// SessionRequest is the body of POST /api/v1/sessions.
type SessionRequest struct {
	Email    string `json:"email"`
	Password string `json:"password"`
}

// SessionResponse is what who has signed in gets, in every version.
type SessionResponse struct {
	// Token goes into the header Authorization, after "Bearer ".
	Token     string    `json:"token"`
	ExpiresAt time.Time `json:"expires_at"`
	UserID    string    `json:"user_id"`
}

func (s *Server) signIn(e edition) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var body SessionRequest
		if wrong := readBody(w, r, &body); wrong != nil {
			platform.WriteProblem(w, r, *wrong)
			return
		}
		answer, err := s.users.SignIn(r.Context(), &userv1.SignInRequest{Email: body.Email, Password: body.Password})
		if err != nil {
			s.fail(w, r, err)
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		e.write(w, http.StatusCreated, SessionResponse{
			Token: answer.GetToken(), ExpiresAt: answer.GetExpiresAt().AsTime(), UserID: answer.GetUser().GetId(),
		}, Meta{})
	}
}

// UserRequest is the body of POST /api/v1/users.
type UserRequest struct {
	Name     string `json:"name"`
	Email    string `json:"email"`
	Password string `json:"password"`
}

func (s *Server) register(e edition) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var body UserRequest
		if wrong := readBody(w, r, &body); wrong != nil {
			platform.WriteProblem(w, r, *wrong)
			return
		}
		answer, err := s.users.RegisterUser(r.Context(), &userv1.RegisterUserRequest{Name: body.Name, Email: body.Email, Password: body.Password})
		if err != nil {
			s.fail(w, r, err)
			return
		}
		w.Header().Set("Location", "/api/"+e.name+"/users/"+answer.GetUser().GetId())
		e.write(w, http.StatusCreated, e.user(answer.GetUser()), Meta{})
	}
}
