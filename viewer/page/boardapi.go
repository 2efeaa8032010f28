package page

import (
	"encoding/json"
	"net/http"
)

// listSwitches answers programs with the switches: a JSON array.
func (p *Pages) listSwitches(w http.ResponseWriter, r *http.Request) {
	answer(w, http.StatusOK, p.board.List(r.Context()))
}

// setSwitch takes {"on":true} or {"on":false} from programs.
func (p *Pages) setSwitch(w http.ResponseWriter, r *http.Request) {
	var wanted struct {
		On *bool `json:"on"`
	}
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<10))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&wanted); err != nil || wanted.On == nil {
		answer(w, http.StatusBadRequest, map[string]string{"error": `the body must be {"on":true} or {"on":false}`})
		return
	}
	if err := p.board.Set(r.Context(), r.PathValue("key"), *wanted.On); err != nil {
		answer(w, http.StatusUnprocessableEntity, map[string]string{"error": err.Error()})
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // whoever has gone needs no answer
}
