package inventory

// Item is something that the shop sells.
type Item struct {
	ID   string
	Name string
	// Price is in the minor unit of whatever currency the order is in: the
	// demo shop costs the same number everywhere.
	Price int64
	// Capacity is what the shelf holds when it is full.
	Capacity int64
}

// SoldOutItem is in the catalogue and never in stock.
const SoldOutItem = "itm_gramophone"

// Catalogue is what a new shop sells, the most popular first, and last the
// item that is always sold out.
func Catalogue() []Item {
	return []Item{
		{"itm_coffee", "Coffee beans, 1 kg", 1890, 2000},
		{"itm_tea", "Green tea, 100 g", 790, 2000},
		{"itm_mug", "Stoneware mug", 1250, 2000},
		{"itm_filter", "Paper filters, 100", 450, 2000},
		{"itm_grinder", "Hand grinder", 5900, 1000},
		{"itm_kettle", "Gooseneck kettle", 6900, 1000},
		{"itm_scale", "Pocket scale", 2400, 1000},
		{"itm_press", "French press", 3200, 1000},
		{"itm_chocolate", "Dark chocolate, 12 bars", 3600, 1000},
		{"itm_honey", "Heather honey, 500 g", 980, 1000},
		{"itm_spoon", "Silver spoon", 1490, 1000},
		{"itm_tray", "Oak tray", 2750, 1000},
		{"itm_towel", "Linen towel", 1650, 1000},
		{"itm_jar", "Storage jar", 890, 1000},
		{"itm_lamp", "Table lamp", 8900, 500},
		{"itm_radio", "Kitchen radio", 12900, 500},
		{"itm_stool", "Beech stool", 9900, 500},
		{"itm_machine", "Espresso machine", 64900, 300},
		{"itm_piano", "Upright piano", 649000, 100},
		{SoldOutItem, "Gramophone", 34900, 0},
	}
}
