/** Opening hours of a library, and questions people ask about them. Times are minutes since midnight. */

const days = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

const openingHours = {
  monday: { opens: 9 * 60, closes: 18 * 60 },
  tuesday: { opens: 9 * 60, closes: 18 * 60 },
  wednesday: { opens: 9 * 60, closes: 20 * 60 },
  thursday: { opens: 9 * 60, closes: 18 * 60 },
  /* <cursor> */
};

/** Whether the library is open on a day at a time. */
export function isOpen(day, time) {
  const hours = openingHours[day];
  return hours !== undefined && time >= hours.opens && time < hours.closes;
}

/** "9:05" for 545. */
export function formatTime(time) {
  const minutes = String(time % 60).padStart(2, "0");
  return `${Math.floor(time / 60)}:${minutes}`;
}

/** One line a day, in the order of the week. */
export function timetable() {
  return days.map((day) => {
    const hours = openingHours[day];
    if (hours === undefined) return `${day}: closed`;
    return `${day}: ${formatTime(hours.opens)} - ${formatTime(hours.closes)}`;
  });
}
