package gateway

import (
	"net/http"
	"time"

	userv1 "github.com/waybill-dev/waybill/demo-services/api/user/v1"
)

// UserResponse is a user as clients of v1 see them.
type UserResponse struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Email string `json:"email"`
}

// UserResource is a user as clients of v2 see them.
type UserResource struct {
	ID      string  `json:"id"`
	Profile Profile `json:"profile"`
}

// Profile is what the shop knows of a user.
type Profile struct {
	Name  string `json:"name"`
	Email string `json:"email"`
	// MayOrder is false for users that the shop has blocked.
	MayOrder    bool      `json:"may_order"`
	MemberSince time.Time `json:"member_since"`
}

// user is a user as the edition shows them.
func (e edition) user(u *userv1.User) any {
	if !e.enveloped {
		return UserResponse{ID: u.GetId(), Name: u.GetName(), Email: u.GetEmail()}
	}
	return UserResource{ID: u.GetId(), Profile: profile(u)}
}

func profile(u *userv1.User) Profile {
	return Profile{Name: u.GetName(), Email: u.GetEmail(), MayOrder: !u.GetBlocked(), MemberSince: u.GetCreatedAt().AsTime()}
}

func (s *Server) listUsers(e edition) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		query := readQuery(r)
		request := &userv1.ListUsersRequest{After: query.text("after"), Limit: query.limit()}
		if s.refused(w, r, query) {
			return
		}
		answer, err := s.users.ListUsers(r.Context(), request)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		users := make([]any, len(answer.GetUsers()))
		for i, u := range answer.GetUsers() {
			users[i] = e.user(u)
		}
		var next string
		if n := len(users); answer.GetMore() && n > 0 {
			next = e.after("users", answer.GetUsers()[n-1].GetId(), request.GetLimit())
		}
		e.list(w, users, Meta{Limit: new(int(request.GetLimit())), Next: next})
	}
}

func (s *Server) getUser(e edition) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		answer, err := s.users.GetUser(r.Context(), &userv1.GetUserRequest{UserId: r.PathValue("id")})
		if err != nil {
			s.failAt(w, r, err, http.StatusNotFound)
			return
		}
		e.write(w, http.StatusOK, e.user(answer.GetUser()), Meta{})
	}
}
