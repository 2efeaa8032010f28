package dashboards

// Dashboard is the part of Grafana's dashboard model (schema version 41) that
// Waybill's dashboards use.
type Dashboard struct {
	UID           string     `json:"uid"`
	Title         string     `json:"title"`
	Description   string     `json:"description"`
	Tags          []string   `json:"tags"`
	SchemaVersion int        `json:"schemaVersion"`
	Version       int        `json:"version"`
	Editable      bool       `json:"editable"`
	GraphTooltip  int        `json:"graphTooltip"` // 1: the crosshair is shared by all panels
	Timezone      string     `json:"timezone"`
	Time          TimeRange  `json:"time"`
	Refresh       string     `json:"refresh"`
	Templating    Templating `json:"templating"`
	Panels        []Panel    `json:"panels"`
}

// TimeRange is what a dashboard shows when it is opened.
type TimeRange struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// Templating holds the variables that stand above the panels.
type Templating struct {
	List []Variable `json:"list"`
}

// Variable is what a reader chooses from a list.
type Variable struct {
	Name       string         `json:"name"`
	Label      string         `json:"label"`
	Type       string         `json:"type"`
	Datasource *DatasourceRef `json:"datasource,omitempty"`
	Query      string         `json:"query"`
	Refresh    int            `json:"refresh"` // 2: asked again when the time range changes
	Sort       int            `json:"sort,omitempty"`
	Multi      bool           `json:"multi"`
	IncludeAll bool           `json:"includeAll"`
	AllValue   string         `json:"allValue,omitempty"`
	Current    *Choice        `json:"current,omitempty"`
}

// Choice is what is chosen of a variable before anybody chooses.
type Choice struct {
	Text  []string `json:"text"`
	Value []string `json:"value"`
}

// DatasourceRef names a data source; a uid may be a variable.
type DatasourceRef struct {
	Type string `json:"type"`
	UID  string `json:"uid"`
}

// Panel is one drawing, or a row: the heading of those that follow.
type Panel struct {
	ID          int            `json:"id"`
	Type        string         `json:"type"`
	Title       string         `json:"title"`
	Description string         `json:"description,omitempty"`
	Datasource  *DatasourceRef `json:"datasource,omitempty"`
	GridPos     GridPos        `json:"gridPos"`
	Targets     []Target       `json:"targets,omitempty"`
	FieldConfig *FieldConfig   `json:"fieldConfig,omitempty"`
	Options     *Options       `json:"options,omitempty"`
	Collapsed   *bool          `json:"collapsed,omitempty"` // rows only
}

// GridPos is where a panel lies: the dashboard is 24 columns wide.
type GridPos struct {
	X int `json:"x"`
	Y int `json:"y"`
	W int `json:"w"`
	H int `json:"h"`
}

// Target is one query of a panel.
type Target struct {
	RefID        string        `json:"refId"`
	Datasource   DatasourceRef `json:"datasource"`
	Expr         string        `json:"expr"`
	LegendFormat string        `json:"legendFormat"`
	Range        bool          `json:"range"`
	// Exemplar draws a point for each example, which leads to its trace.
	Exemplar bool `json:"exemplar"`
}

// FieldConfig is how values are drawn.
type FieldConfig struct {
	Defaults  FieldDefaults `json:"defaults"`
	Overrides []struct{}    `json:"overrides"`
}

// FieldDefaults are the same for all series of a panel.
type FieldDefaults struct {
	Unit   string `json:"unit"`
	Min    *int   `json:"min,omitempty"`
	Max    *int   `json:"max,omitempty"`
	Custom Custom `json:"custom"`
}

// Custom belongs to the kind of panel.
type Custom struct {
	DrawStyle   string `json:"drawStyle"`
	LineWidth   int    `json:"lineWidth"`
	FillOpacity int    `json:"fillOpacity"`
	ShowPoints  string `json:"showPoints"`
}

// Options are a panel's legend and tooltip.
type Options struct {
	Legend  Legend  `json:"legend"`
	Tooltip Tooltip `json:"tooltip"`
}

// Legend lists the series below the drawing, with their last and largest value.
type Legend struct {
	DisplayMode string   `json:"displayMode"`
	Placement   string   `json:"placement"`
	ShowLegend  bool     `json:"showLegend"`
	Calcs       []string `json:"calcs"`
}

// Tooltip shows all series at a moment, the largest first.
type Tooltip struct {
	Mode string `json:"mode"`
	Sort string `json:"sort"`
}
